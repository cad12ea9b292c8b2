"""Success rate with failing providers, time from the provider's answer to the client's, and the effect of a
hedge on the slowest requests."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from threading import local
from typing import Any

from . import unreliable
from .ingest import BOUNDARY, form, percentiles, photo_of, prepare
from .processes import PASSWORD, database, process

_CLIENTS = 16
_ANSWERS = 100


async def measure(folder: Path, *, ingests: int) -> dict[str, Any]:
    """Measure everything over HTTP, with one worker process whose concurrency is the number of clients."""
    async with database(folder) as server:
        server.ensure_database("bench")
        stamps = folder / "stamps"
        stamps.mkdir()
        settings = {
            unreliable.STAMPS: str(stamps),
            "PHOTOCHANGER_HOME": str(folder),
            "PHOTOCHANGER_DATABASE_URL": server.url("bench"),
            "PHOTOCHANGER_INGEST_PASSWORD": PASSWORD,
            "PHOTOCHANGER_WORKERS": str(_CLIENTS),
        }
        await asyncio.to_thread(prepare, settings)
        with process("http", settings) as (http, _), process("worker", settings):
            return await asyncio.to_thread(_measure, folder, http, stamps, ingests)


def _measure(folder: Path, http: str, stamps: Path, ingests: int) -> dict[str, Any]:
    small, large = form(photo_of(folder, 0.3)), form(photo_of(folder, 2))
    return {
        "failing": {
            "one entry": _many(http, unreliable.ONE_ENTRY, small, ingests),
            "two entries": _many(http, unreliable.TWO_ENTRIES, small, ingests),
        },
        "answer_to_client_ms": percentiles([*_after_answers(http, large, stamps)]),
        "long_tail": {
            "plain": _many(http, unreliable.TAILED, small, ingests),
            "hedged": _many(http, unreliable.HEDGED, small, ingests),
        },
    }


def _many(http: str, slot_id: str, body: bytes, ingests: int) -> dict[str, Any]:
    with ThreadPoolExecutor(_CLIENTS) as clients:
        answers = [*clients.map(_sender(http, slot_id, body), range(ingests))]
    statuses = Counter(status for status, _ in answers)
    return {
        "ingests": ingests,
        "succeeded": statuses[200],
        "success_share": round(statuses[200] / ingests, 4),
        "statuses": {str(status): count for status, count in sorted(statuses.items())},
        "ms": percentiles([milliseconds for _, milliseconds in answers]),
    }


def _sender(http: str, slot_id: str, body: bytes) -> Callable[[int], tuple[int, float]]:
    kept = local()

    def send(_: int) -> tuple[int, float]:
        if not hasattr(kept, "connection"):
            kept.connection = HTTPConnection("127.0.0.1", int(http), timeout=120)
        started = time.perf_counter()
        status, _job_id = _ingest(kept.connection, slot_id, body)
        return status, (time.perf_counter() - started) * 1000

    return send


def _after_answers(http: str, body: bytes, stamps: Path) -> Iterator[float]:
    """Milliseconds from the provider's answer to the last byte at the client."""
    connection = HTTPConnection("127.0.0.1", int(http), timeout=120)
    for _ in range(_ANSWERS):
        status, job_id = _ingest(connection, unreliable.STAMPED, body)
        answered = time.time_ns()
        assert status == 200, status
        yield (answered - unreliable.stamp_of(stamps, job_id)) / 1e6


def _ingest(connection: HTTPConnection, slot_id: str, body: bytes) -> tuple[int, str]:
    """Send a photo and receive its picture whole; the status and the job."""
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    connection.request("POST", f"/ingest/{slot_id}", body=body, headers=headers)
    answer = connection.getresponse()
    answer.read()
    return answer.status, answer.headers["X-Job-Id"]
