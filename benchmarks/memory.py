"""Memory of `serve` and all its children: under 64 concurrent uploads of 6 MB with 8 workers and the `gemini`
provider, a minute later, and after photos of 24 megapixels.

PSS: a page that several processes share counts once in all, so that forked processes can be added up.
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from operator import itemgetter
from pathlib import Path
from threading import Event, Thread
from typing import Any

import psutil
from photochanger.adapters.postgres import EmbeddedServer, migrate
from photochanger.core.domain.slots.slot import Route, RouteEntry

from tests.support.service import Service, serving, set_slot

from .ingest import Camera, form, photo_of
from .processes import PASSWORD, kind_of, process

UPLOADS = 64
WORKERS = 8
SLOT = "slot-005"
PROCESSES = ("serve", "worker", "children")
"""The processes by what they are; children are those that work on pictures, and what they are forked from."""

_LATER_SECONDS = 60
_MEBIBYTE = 1024 * 1024


def measure(folder: Path, *, photos: int) -> dict[str, Any]:
    """Measure a real service on a database that is not counted."""
    server = EmbeddedServer.start(folder / "postgres")
    try:
        server.ensure_database("bench")
        url = server.url("bench")
        migrate(url)
        route = Route(entries=(RouteEntry("gemini", "image_edit", {"prompt": "Give it back as it is."}),))
        with process("gemini", {}) as (port, _):
            settings: dict[str, Any] = {
                "database_url": url,
                "ingest_password": PASSWORD,
                "workers": str(WORKERS),
                "max_active_jobs": str(UPLOADS),
                "gemini_base_url": f"http://127.0.0.1:{port}",
                "gemini_api_key": "a-key-of-the-stand-in-of-gemini",
                "private_hosts": "127.0.0.1",
                "sync_response_seconds": "58",
            }
            with serving(folder / "home", **settings) as service:
                set_slot(url, SLOT, route)
                return _measured(folder, service, photos)
    finally:
        server.close()


def _measured(folder: Path, service: Service, photos: int) -> dict[str, Any]:
    port = service.address.rsplit(":", 1)[1]
    answers: Counter[int] = Counter()

    def send(body: bytes) -> None:
        answers[Camera(port).send(f"/ingest/{SLOT}", body)[0]] += 1

    send(form(photo_of(folder, 0.3)))
    moments = {"before": _memory(service)}
    body = form(photo_of(folder, 6))
    with (
        _peak(service, moments, f"{UPLOADS} uploads of {len(body) / 1e6:.1f} MB, peak"),
        ThreadPoolExecutor(UPLOADS) as clients,
    ):
        list(clients.map(send, [body] * UPLOADS))
    time.sleep(_LATER_SECONDS)
    moments["a minute later"] = _memory(service)
    large = form(photo_of(folder, 12))
    with _peak(service, moments, f"{photos} photos of 24 megapixels, peak"), ThreadPoolExecutor(2) as clients:
        list(clients.map(send, [large] * photos))
    moments["right after"] = _memory(service)
    return {"processes": PROCESSES, "moments": moments, "answers": dict(answers)}


@contextlib.contextmanager
def _peak(service: Service, moments: dict[str, dict[str, float]], name: str) -> Iterator[None]:
    """Look all the time while the block runs; what was most together is the moment."""
    ended = Event()
    seen: list[dict[str, float]] = []

    def look() -> None:
        while not ended.is_set():
            seen.append(_memory(service))
            ended.wait(0.02)

    thread = Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        moments[name] = max(seen, key=itemgetter("together"))


def _memory(service: Service) -> dict[str, float]:
    """MiB of each kind of process, and of all together."""
    found = dict.fromkeys(PROCESSES, 0.0)
    serve = psutil.Process(service.process.pid)
    for each in (serve, *serve.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
            found[kind_of(each, serve)] += _pss(each.pid)
    return {name: round(value, 1) for name, value in found.items()} | {"together": round(sum(found.values()), 1)}


def _pss(pid: int) -> float:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024 / _MEBIBYTE
    return 0.0
