"""Overload: pictures per minute, useless calls and `Retry-After` under more photos than the workers can make.

A call takes ten seconds and four jobs run at once, so that the capacity is 0.4 photos per second.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
from photochanger.adapters.postgres import EmbeddedServer

from .ingest import BOUNDARY, form, percentiles, photo_of, prepare
from .processes import CALL_SECONDS, OVERLOADED, PASSWORD, database, process

WORKERS = 4
CAPACITY = WORKERS / CALL_SECONDS
LOADS = (1.2, 2.0, 5.0)
SECONDS = 160


class _Answer(NamedTuple):
    sent: float
    ended: float
    status: int
    retry_after: int


async def measure(folder: Path, *, seconds: int = SECONDS) -> dict[str, Any]:
    """Measure all loads at the same time, each with a database and processes of its own: mostly they wait."""
    async with database(folder) as server:
        rows = await asyncio.gather(
            *(asyncio.to_thread(_measure, folder / f"load-{load}", server, load, seconds) for load in LOADS)
        )
    return {"call_s": CALL_SECONDS, "capacity_per_s": CAPACITY, "seconds": seconds, "loads": rows}


def _measure(folder: Path, server: EmbeddedServer, load: float, seconds: int) -> dict[str, Any]:
    folder.mkdir()
    name = f"overload_{round(load * 10)}"
    server.ensure_database(name)
    settings = {
        "PHOTOCHANGER_HOME": str(folder),
        "PHOTOCHANGER_DATABASE_URL": server.url(name),
        "PHOTOCHANGER_INGEST_PASSWORD": PASSWORD,
        "PHOTOCHANGER_WORKERS": str(WORKERS),
    }
    prepare(settings)
    body = form(photo_of(folder, 0.3))
    with process("http", settings) as (http, _), process("worker", settings):
        answers = _crowd(http, body, load * CAPACITY, seconds)
        time.sleep(1)  # the last calls reach the log in the background
        calls = _calls(server.url(name))
    pictures = [answer for answer in answers if answer.status == 200]
    in_time = sum(CALL_SECONDS < answer.ended <= seconds for answer in pictures)
    statuses = Counter(answer.status for answer in answers)
    return {
        "load": load,
        "photos": len(answers),
        "statuses": {str(status): count for status, count in sorted(statuses.items())},
        "pictures_per_minute": round(in_time / (seconds - CALL_SECONDS) * 60, 2),
        "share_of_capacity": round(in_time / (CAPACITY * (seconds - CALL_SECONDS)), 3),
        "calls": sum(calls.values()),
        "useless_calls": sum(calls.values()) - statuses[200],
        "retry_after": _retry_after(answers),
        "answered_after_s": percentiles([answer.ended - answer.sent for answer in pictures]) if pictures else None,
    }


def _crowd(http: str, body: bytes, rate: float, seconds: int) -> list[_Answer]:
    """Send photos at this rate, each on a connection of its own, and wait for all answers."""
    started = time.perf_counter()

    def send(number: int) -> _Answer:
        time.sleep(max(number / rate - (time.perf_counter() - started), 0))
        sent = time.perf_counter() - started
        connection = HTTPConnection("127.0.0.1", int(http), timeout=120)
        headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        try:
            connection.request("POST", f"/ingest/{OVERLOADED}", body=body, headers=headers)
            answer = connection.getresponse()
            answer.read()
            status, retry_after = answer.status, int(answer.headers.get("Retry-After", 0))
        except (OSError, HTTPException):
            status, retry_after = 0, 0
        finally:
            connection.close()
        return _Answer(sent, time.perf_counter() - started, status, retry_after)

    # As many senders as photos can wait at once, and some for those that are refused.
    with ThreadPoolExecutor(math.ceil(rate * 60) + 8) as senders:
        return [*senders.map(send, range(round(rate * seconds)))]


def _calls(url: str) -> Counter[str]:
    """Calls to the provider by how they ended, from the processing log."""
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "select detail ->> 'classification', count(*) from photochanger.processing_logs"
            " where event = 'attempt' and detail ? 'duration_ms' group by 1"
        ).fetchall()
    return Counter(dict(rows))


def _retry_after(answers: list[_Answer]) -> dict[str, Any] | None:
    """How far the promises were from the moment at which a place was free.

    It was between the last photo that was refused and the next one that was not. Returns seconds beyond that span, and
    how many promises were more than 30 % and a second beyond.
    """
    refused = [answer for answer in answers if answer.status == 429]
    taken = [answer.sent for answer in answers if answer.status != 429]
    errors, wrong = [], 0
    for answer in refused:
        free_until = min((moment for moment in taken if moment > answer.sent), default=None)
        if free_until is None:
            continue
        free_from = max(other.sent for other in refused if other.sent < free_until)
        soonest, latest = free_from - answer.sent, free_until - answer.sent
        errors.append(max(soonest - answer.retry_after, answer.retry_after - latest, 0.0))
        wrong += not soonest * 0.7 - 1 <= answer.retry_after <= latest * 1.3 + 1
    return {"promises": len(errors), "error_s": percentiles(errors), "wrong": wrong} if errors else None
