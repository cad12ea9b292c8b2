"""(l) Ingests through the whole service with the `gemini` provider, whose stand-in gives the photo back at once: what a
client waits beyond the stand-in's own time, and photos per second with 16 clients on the same machine.

The stand-in's own time is that between the last byte of a request and the first of its answer: transfers count as ours.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import local
from typing import Any

import httpx
from photochanger.adapters.postgres import EmbeddedServer, migrate
from photochanger.core.domain.slots.slot import Route, RouteEntry
from PIL import Image

from tests.support import photos
from tests.support.service import serving, set_slot

from .ingest import Camera, form, percentiles, photo_of
from .processes import PASSWORD, process

SLOT = "slot-005"
CLIENTS = 16
_WARM_UP = 5
_TURNED = 6


def measure(folder: Path, *, rounds: int) -> dict[str, Any]:
    """Measure a real service on a database of its own."""
    with _service(folder) as (camera_port, stand_in):
        rows = [_overhead(name, body, camera_port, stand_in, rounds) for name, body in _bodies(folder).items()]
        small = form(photo_of(folder, 1))
        return {"overhead": rows, "throughput": _throughput(camera_port, small, rounds * 4)}


@contextmanager
def _service(folder: Path) -> Iterator[tuple[str, str]]:
    server = EmbeddedServer.start(folder / "postgres")
    try:
        server.ensure_database("bench")
        url = server.url("bench")
        migrate(url)
        route = Route(entries=(RouteEntry("gemini", "image_edit", {"prompt": "Give it back as it is."}),))
        with process("gemini", {"BENCH_ANSWER_SECONDS": "0"}) as (port, _):
            settings: dict[str, Any] = {
                "database_url": url,
                "ingest_password": PASSWORD,
                "workers": str(CLIENTS),
                "gemini_base_url": f"http://127.0.0.1:{port}",
                "gemini_api_key": "a-key-of-the-stand-in-of-gemini",
                "private_hosts": "127.0.0.1",
                "sync_response_seconds": "58",
            }
            with serving(folder / "home", **settings) as service:
                set_slot(url, SLOT, route)
                yield service.address.rsplit(":", 1)[1], f"http://127.0.0.1:{port}"
    finally:
        server.close()


def _bodies(folder: Path) -> dict[str, bytes]:
    scene = photos.scene(6_000, 4_000)
    exif = Image.Exif()
    exif[0x0112] = _TURNED
    return {
        "upright, 1 MB": form(photo_of(folder, 1)),
        "upright, 2 MB": form(photo_of(folder, 2)),
        "upright, 4 MB": form(photo_of(folder, 4)),
        "turned, 24 MP": form(photos.encoded(scene, "JPEG", quality=92, exif=exif)),
    }


def _overhead(name: str, body: bytes, port: str, stand_in: str, rounds: int) -> dict[str, Any]:
    """Milliseconds over the stand-in's own time; one photo at a time."""
    camera = Camera(port)
    waited: list[float] = []
    with httpx.Client(base_url=stand_in) as client:
        client.delete("/took")
        for number in range(-_WARM_UP, rounds):
            status, milliseconds = camera.send(f"/ingest/{SLOT}", body)
            assert status == 200, status
            took = sum(client.delete("/took").json())
            if number >= 0:
                waited.append(milliseconds - took)
    return {"photo": name, "bytes": len(body), "runs": rounds, "over_stand_in_ms": percentiles(waited)}


def _throughput(port: str, body: bytes, ingests: int) -> dict[str, Any]:
    """Photos per second with `CLIENTS` clients that send one after the other."""
    cameras = local()
    answers: Counter[int] = Counter()

    def send(_: int) -> None:
        if not hasattr(cameras, "camera"):
            cameras.camera = Camera(port)
        answers[cameras.camera.send(f"/ingest/{SLOT}", body)[0]] += 1

    with ThreadPoolExecutor(CLIENTS) as clients:
        list(clients.map(send, range(CLIENTS)))
        answers.clear()
        started = time.perf_counter()
        list(clients.map(send, range(ingests)))
    seconds = time.perf_counter() - started
    return {"photos_per_second": round(ingests / seconds, 1), "ingests": ingests, "answers": dict(answers)}
