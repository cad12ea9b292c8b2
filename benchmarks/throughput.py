"""Ingests through the whole service with the `gemini` provider, whose stand-in gives the photo back at once: what a
client waits beyond the stand-in's own time, and photos per second with 16 clients on the same machine.

The stand-in's own time is that between the last byte of a request and the first of its answer: transfers count as ours.
Processor time is that of all processes, in milliseconds a photo; it is the same on a busy machine, wall time is not.
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import local
from typing import Any, NamedTuple

import httpx
import psutil
from photochanger.adapters.postgres import EmbeddedServer, migrate
from photochanger.core.domain.slots.slot import Route, RouteEntry
from PIL import Image

from tests.support import photos
from tests.support.service import Service, serving, set_slot

from .ingest import Camera, form, percentiles, photo_of
from .processes import PASSWORD, kind_of, process

SLOT = "slot-005"
CLIENTS = 16
PROCESSES = ("serve", "worker", "children", "PostgreSQL", "stand-in", "client")
_WARM_UP = 5
_TURNED = 6


def measure(folder: Path, *, rounds: int) -> dict[str, Any]:
    """Measure a real service on a database of its own."""
    with _running(folder) as running:
        rows = [_overhead(name, body, running, rounds) for name, body in _bodies(folder).items()]
        small = form(photo_of(folder, 1))
        return {"overhead": rows, "throughput": _throughput(running, small, rounds * 4)}


class _Running(NamedTuple):
    """A service, its stand-in and its database, and how they are reached."""

    port: str
    stand_in: str
    roots: Mapping[str, psutil.Process]

    def processor_seconds(self) -> dict[str, float]:
        """What each kind of process has used so far, those that have ended included."""
        used = dict.fromkeys(PROCESSES, 0.0)
        used["client"] = time.process_time()
        serve = self.roots["serve"]
        for kind, root in self.roots.items():
            for each in (root, *root.children(recursive=True)):
                with contextlib.suppress(psutil.NoSuchProcess):
                    used[kind_of(each, serve) if kind == "serve" else kind] += sum(each.cpu_times()[:4])
        return used


@contextmanager
def _running(folder: Path) -> Iterator[_Running]:
    server = EmbeddedServer.start(folder / "postgres")
    try:
        server.ensure_database("bench")
        url = server.url("bench")
        migrate(url)
        route = Route(entries=(RouteEntry("gemini", "image_edit", {"prompt": "Give it back as it is."}),))
        with process("gemini", {"BENCH_ANSWER_SECONDS": "0"}) as (port, stand_in):
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
                roots = _roots(service, stand_in.pid, folder / "postgres")
                yield _Running(service.address.rsplit(":", 1)[1], f"http://127.0.0.1:{port}", roots)
    finally:
        server.close()


def _roots(service: Service, stand_in: int, database: Path) -> dict[str, psutil.Process]:
    """The processes that all others descend from, by their kind."""
    server = int((database / "data" / "postmaster.pid").read_text().split()[0])
    pids = {"serve": service.process.pid, "stand-in": stand_in, "PostgreSQL": server}
    return {kind: psutil.Process(pid) for kind, pid in pids.items()}


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


def _overhead(name: str, body: bytes, running: _Running, rounds: int) -> dict[str, Any]:
    """Milliseconds over the stand-in's own time; one photo at a time."""
    camera = Camera(running.port)
    waited: list[float] = []
    before = running.processor_seconds()
    with httpx.Client(base_url=running.stand_in) as client:
        client.delete("/took")
        for number in range(-_WARM_UP, rounds):
            if number == 0:
                before = running.processor_seconds()
            status, milliseconds = camera.send(f"/ingest/{SLOT}", body)
            assert status == 200, status
            took = sum(client.delete("/took").json())
            if number >= 0:
                waited.append(milliseconds - took)
    used = _used_ms(before, running.processor_seconds(), photos=rounds)
    return {"photo": name, "bytes": len(body), "runs": rounds, "over_stand_in_ms": percentiles(waited), "cpu_ms": used}


def _throughput(running: _Running, body: bytes, ingests: int) -> dict[str, Any]:
    """Photos per second with `CLIENTS` clients that send one after the other."""
    cameras = local()
    answers: Counter[int] = Counter()

    def send(_: int) -> None:
        if not hasattr(cameras, "camera"):
            cameras.camera = Camera(running.port)
        answers[cameras.camera.send(f"/ingest/{SLOT}", body)[0]] += 1

    with ThreadPoolExecutor(CLIENTS) as clients:
        list(clients.map(send, range(CLIENTS)))
        answers.clear()
        before, started = running.processor_seconds(), time.perf_counter()
        list(clients.map(send, range(ingests)))
    seconds = time.perf_counter() - started
    return {
        "photos_per_second": round(ingests / seconds, 1),
        "ingests": ingests,
        "answers": dict(answers),
        "cpu_ms": _used_ms(before, running.processor_seconds(), photos=ingests),
    }


def _used_ms(before: Mapping[str, float], after: Mapping[str, float], *, photos: int) -> dict[str, float]:
    """Milliseconds of processor time for each photo, by kind of process."""
    used = {kind: round((after[kind] - before[kind]) * 1000 / photos, 1) for kind in PROCESSES}
    return used | {"together": round(sum(used.values()), 1)}
