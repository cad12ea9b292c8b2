"""(m) The queue with several processes on one database, on this disk and with commits of 5 ms.

Each process has one camera, which sends the next photo when the last one has its end, and a worker pool with four
places, whose jobs end at once: what is measured is the way from process to process, not batches. All processes are
started once; each measurement uses the first few of them, and measurements alternate, so that ratios hold on a machine
that is not idle.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import psycopg
import uvloop
from photochanger.adapters.postgres import Database, EmbeddedServer, PostgresJobQueue, PostgresJobSignals, migrate
from photochanger.core.domain.job import Claim, JobState, Outcome
from photochanger.entrypoints.worker.pool import PoolOptions, WorkerPool

from .queue import job_of, result_of

PROCESSES = (1, 4, 8)
COMMIT_MS = 5
_CONCURRENCY = 4
_MAX_ACTIVE = 256
_POLL = timedelta(seconds=1)
_URGENT_SECONDS = 0.25
_WARM_UP_SECONDS = 0.3


def measure(folder: Path, *, seconds: float = 3.0, rounds: int = 3) -> dict[str, Any]:
    """Photos per second and acquires per photo, by disk and number of processes."""
    rows: dict[tuple[str, int], list[dict[str, float]]] = {}
    with _databases(folder) as urls, ExitStack() as stack:
        children = [stack.enter_context(_child()) for _ in range(max(PROCESSES))]
        for turn in range(rounds + 1):  # the first warms up
            for disk, url in urls.items():
                for count in PROCESSES:
                    row = _run(children[:count], url, seconds if turn else seconds / 3)
                    if turn:
                        rows.setdefault((disk, count), []).append(row)
    return {
        "seconds": seconds,
        "rows": [
            {
                "disk": disk,
                "processes": count,
                "photos_per_s": round(statistics.median(row["rate"] for row in measured)),
                "to_one": round(_ratio(measured, rows[disk, 1]), 2),
                "acquires_per_photo": round(statistics.median(row["acquires"] for row in measured), 2),
                "worst_acquires_per_photo": round(max(row["acquires"] for row in measured), 2),
            }
            for (disk, count), measured in rows.items()
        ],
    }


def _ratio(rows: Sequence[Mapping[str, float]], single: Sequence[Mapping[str, float]]) -> float:
    return statistics.median(row["rate"] / one["rate"] for row, one in zip(rows, single, strict=True))


@contextmanager
def _databases(folder: Path) -> Iterator[dict[str, str]]:
    """Two databases of one server; the commits of the second one take `COMMIT_MS` longer."""
    server = EmbeddedServer.start(folder / "postgres")
    try:
        urls = {}
        for name in ("fast", "slow"):
            server.ensure_database(name)
            urls["this disk" if name == "fast" else f"commit of {COMMIT_MS} ms"] = server.url(name)
            migrate(server.url(name))
        with psycopg.connect(server.url("slow"), autocommit=True) as connection:
            connection.execute(f"alter database slow set commit_delay = {COMMIT_MS * 1000}")
            connection.execute("alter database slow set commit_siblings = 0")
        yield urls
    finally:
        server.close()


@contextmanager
def _child() -> Iterator[subprocess.Popen[str]]:
    child = subprocess.Popen(
        (sys.executable, "-m", "benchmarks.scaling"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield child
    finally:
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                pipe.close()


def _run(children: Sequence[subprocess.Popen[str]], url: str, seconds: float) -> dict[str, float]:
    for child in children:
        _say(child, {"url": url, "seconds": seconds})
    for child in children:
        assert _hear(child) == "ready"
    for child in children:
        _say(child, "go")
    ended = [cast("dict[str, float]", _hear(child)) for child in children]
    photos = sum(end["photos"] for end in ended)
    assert photos, "no photo came to its end"
    return {"rate": photos / seconds, "acquires": sum(end["acquires"] for end in ended) / photos}


def _say(child: subprocess.Popen[str], what: Any) -> None:
    assert child.stdin is not None
    child.stdin.write(json.dumps(what) + "\n")
    child.stdin.flush()


def _hear(child: subprocess.Popen[str]) -> Any:
    assert child.stdout is not None
    return json.loads(child.stdout.readline())


class _CountedAcquisition:
    """Acquires as JobAcquisition does where no provider has a limit, and counts the calls."""

    def __init__(self, queue: PostgresJobQueue) -> None:
        self._queue = queue
        self._looked_at = 0.0
        self.calls = 0
        self.within_limits = False

    async def acquire(self, worker: str, *, n: int, lease: timedelta, running: Collection[UUID]) -> list[Claim]:
        self.calls += 1
        return await self._queue.acquire(worker, n=n, lease=lease, running=running)

    async def acquire_urgent(self, worker: str, *, n: int, lease: timedelta) -> list[Claim]:
        now = asyncio.get_running_loop().time()
        if now - self._looked_at < _URGENT_SECONDS:
            return []
        self._looked_at = now
        return await self._queue.acquire_urgent(worker, n=n, lease=lease, needs={}, local=[])


class _Processor:
    """Ends each job at once, with a picture."""

    def __init__(self, queue: PostgresJobQueue) -> None:
        self._queue = queue

    async def run(self, claim: Claim) -> None:
        outcome = Outcome(state=JobState.SUCCEEDED, finalized_at=datetime.now(UTC), result=result_of(claim.job.id.hex))
        await self._queue.mark_finalized(claim.job.id, outcome, claim=claim)

    async def close(self) -> None:
        """Do nothing: there are no resources."""


class _Process:
    """A camera and a worker pool of one process."""

    def __init__(self, database: Database) -> None:
        self.signals = PostgresJobSignals(database)
        self._queue = PostgresJobQueue(database)
        self._acquisition = _CountedAcquisition(self._queue)
        self._photos = 0

    async def run(self, seconds: float) -> dict[str, float]:
        """Send photos for so long; what was made, and how often the queue was looked into for it."""
        parts: dict[str, Any] = {
            "completion": None,
            "queue": self._queue,
            "signals": self.signals,
            "processing": _Processor(self._queue),
            "acquisition": self._acquisition,
        }
        pool = WorkerPool(**parts, options=PoolOptions(concurrency=_CONCURRENCY))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(pool.run())
            camera = tasks.create_task(self._camera())
            await asyncio.sleep(_WARM_UP_SECONDS)
            photos, acquires = self._photos, self._acquisition.calls
            await asyncio.sleep(seconds)
            made: dict[str, float] = {"photos": self._photos - photos, "acquires": self._acquisition.calls - acquires}
            await asyncio.sleep(_WARM_UP_SECONDS)  # the other processes still measure
            camera.cancel()
            pool.stop(timedelta(seconds=5))
        return made

    async def _camera(self) -> None:
        while True:
            job = job_of(self._photos)
            with self.signals.finalized(job.id) as ended:
                await self._queue.enqueue(job, max_active=_MAX_ACTIVE)
                await ended.wait(_POLL)
            self._photos += 1


async def _measured(url: str, seconds: float, line: Any) -> None:
    async with Database(url) as database:
        process = _Process(database)
        listening = asyncio.create_task(process.signals.listen())
        try:
            await process.signals.wait_until_listening()
            print(json.dumps("ready"), flush=True)
            await asyncio.to_thread(line)
            print(json.dumps(await process.run(seconds)), flush=True)
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)


def main() -> None:
    """Do what each line asks for: the database and the seconds, then the word to begin."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        while line := sys.stdin.readline():
            wanted = json.loads(line)
            runner.run(_measured(wanted["url"], wanted["seconds"], sys.stdin.readline))


if __name__ == "__main__":
    main()
