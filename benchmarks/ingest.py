"""Overhead of an ingest over its provider's time and a bare handler; memory under concurrent uploads."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import psutil
from photochanger.adapters.imaging import ImageTools
from photochanger.core.domain.media import ImageLimits
from photochanger.entrypoints.builtin_providers import picture_processes
from photochanger.entrypoints.diagnostics.sample_photos import demo_photos
from PIL import Image

from .processes import DELAYS_MS, PASSWORD, database, process

BOUNDARY = "----benchmark7c1e"


def photo_of(folder: Path, megabytes: float) -> bytes:
    """A JPEG of about this size, made from a real photo."""
    source = Image.open(demo_photos(folder)[2].path).convert("RGB")
    width = int(1720 * megabytes**0.5)
    picture = source.resize((width, width * 2 // 3), Image.Resampling.LANCZOS)
    encoded = (_jpeg(folder, picture, quality) for quality in range(80, 99, 2))
    return min(encoded, key=lambda data: abs(len(data) - megabytes * 1e6))


def _jpeg(folder: Path, picture: Image.Image, quality: int) -> bytes:
    path = folder / "candidate.jpg"
    picture.save(path, quality=quality, subsampling=0)
    return path.read_bytes()


def form(photo: bytes) -> bytes:
    """The camera's form."""
    head = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="password"\r\n\r\n{PASSWORD}\r\n'
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="fileToUpload"; filename="photo.jpg"\r\n'
        "Content-Type: image/jpeg\r\n\r\n"
    )
    return head.encode() + photo + f"\r\n--{BOUNDARY}--\r\n".encode()


class Camera:
    """A client with a keep-alive connection."""

    def __init__(self, port: str) -> None:
        self._connection = HTTPConnection("127.0.0.1", int(port), timeout=120)

    def send(self, path: str, body: bytes) -> tuple[int, float]:
        """The status and the milliseconds from the first byte sent to the last byte received."""
        started = time.perf_counter()
        self._connection.request(
            "POST", path, body=body, headers={"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        )
        answer = self._connection.getresponse()
        answer.read()
        return answer.status, (time.perf_counter() - started) * 1000


def percentiles(values: list[float]) -> dict[str, float]:
    """p50, p95 and p99 in the unit of the values."""
    ordered = sorted(values)
    return {f"p{p}": round(ordered[min(len(ordered) * p // 100, len(ordered) - 1)], 2) for p in (50, 95, 99)}


async def measure(folder: Path, *, rounds: int) -> dict[str, Any]:
    """Measure overhead and memory."""
    async with database(folder) as server:
        server.ensure_database("bench")
        settings = {
            "PHOTOCHANGER_HOME": str(folder),
            "PHOTOCHANGER_DATABASE_URL": server.url("bench"),
            "PHOTOCHANGER_INGEST_PASSWORD": PASSWORD,
            "PHOTOCHANGER_WORKERS": "4",
        }
        await asyncio.to_thread(prepare, settings)
        with process("bare", {}) as (bare, _), process("http", settings) as (http, http_process):
            with process("worker", settings):
                overhead = await asyncio.to_thread(_overhead, folder, http, bare, rounds)
            memory = await asyncio.to_thread(_memory, folder, http, http_process.pid)
    return {"overhead": overhead, "memory": memory}


def prepare(settings: dict[str, str]) -> None:
    """Create the schema and the slots in a separate process."""
    subprocess.run(
        (sys.executable, "-m", "benchmarks.processes", "prepare"), env={**os.environ, **settings}, check=True
    )


def _overhead(folder: Path, http: str, bare: str, rounds: int) -> list[dict[str, Any]]:
    return [*_overhead_rows(folder, http, bare, rounds)]


def _overhead_rows(folder: Path, http: str, bare_http: str, rounds: int) -> Iterator[dict[str, Any]]:
    for megabytes in (1, 6):
        photo = photo_of(folder, megabytes)
        body = form(photo)
        decoding = _decoding(photo)
        for slot_id, delay in DELAYS_MS.items():
            ours, bare = Camera(http), Camera(bare_http)
            own: list[float] = []
            plain: list[float] = []
            for number in range(-5, rounds if delay == 0 else max(rounds // 5, 20)):
                status, milliseconds = ours.send(f"/ingest/{slot_id}", body)
                assert status == 200, status
                # The baseline waits too: waking up after half a second of idling is the machine's cost, not ours.
                status, bare_milliseconds = bare.send(f"/ingest/bare?wait_ms={delay}", body)
                assert status == 200, status
                if number >= 0:
                    own.append(milliseconds - delay)
                    plain.append(bare_milliseconds - delay)
            mine, theirs = percentiles(own), percentiles(plain)
            yield {
                "photo_bytes": len(body),
                "provider_ms": delay,
                "runs": len(own),
                "ours_over_provider_ms": mine,
                "bare_ms": theirs,
                "overhead_ms": {name: round(mine[name] - theirs[name], 2) for name in mine},
                "ratio": {name: round(mine[name] / theirs[name], 2) for name in mine},
                "decoding_ms": decoding,
            }


def _decoding(picture: bytes) -> float:
    """Milliseconds at p50 of verifying the provider's answer alone; this is part of the overhead."""

    async def decode() -> list[float]:
        took = []
        async with picture_processes() as children:
            tools = ImageTools(children)
            for _ in range(50):
                started = time.perf_counter()
                await tools.normalise(picture, limits=ImageLimits(max_pixels=100_000_000))
                took.append((time.perf_counter() - started) * 1000)
        return took

    return percentiles(asyncio.run(decode()))["p50"]


def _memory(folder: Path, http: str, pid: int) -> dict[str, Any]:
    """Peak resident memory of the HTTP process while 64 clients upload 6 MB each and wait.

    No worker runs meanwhile, so that all 64 are held; they are answered 202 at once by preference.
    """
    body = form(photo_of(folder, 6))
    watched = psutil.Process(pid)
    peak = before = watched.memory_info().rss

    def send(_: int) -> int:
        connection = HTTPConnection("127.0.0.1", int(http), timeout=120)
        headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}", "Prefer": "wait=5"}
        connection.request("POST", "/ingest/slot-005", body=body, headers=headers)
        return connection.getresponse().status

    with ThreadPoolExecutor(64) as clients:
        running = [clients.submit(send, number) for number in range(64)]
        while not all(future.done() for future in running):
            peak = max(peak, watched.memory_info().rss)
            time.sleep(0.005)
    statuses = [future.result() for future in running]
    mebibyte = 1024 * 1024
    return {
        "uploads": len(statuses),
        "held": statuses.count(202),
        "before_mib": round(before / mebibyte, 1),
        "peak_mib": round(peak / mebibyte, 1),
    }
