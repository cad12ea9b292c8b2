"""The queue with several processes on one database, next to hand-written SQL that changes the same rows.

Each process has cameras, which send the next photo when the last one has its end, and a worker, whose jobs end at
once. With one camera each, what is measured is the way from process to process, not batches; with many, the most that
one PostgreSQL makes, by the time of a commit. All processes are started once; each measurement uses the first few of
them, and measurements alternate, so that ratios hold on a machine that is not idle.

Commits take longer by PostgreSQL's `commit_delay`. Others that arrive in it share the same write.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, cast
from uuid import UUID

import msgspec
import psutil
import psycopg
import uvloop
from photochanger.adapters.postgres import Database, EmbeddedServer, PostgresJobQueue, PostgresJobSignals, migrate
from photochanger.core.domain.job import Claim, JobState, Outcome
from photochanger.entrypoints.worker.pool import PoolOptions, WorkerPool

from tests.support.hot_statements import fill

from .baseline_queue import BaselineProcess
from .queue import job_of, result_of

PROCESSES = (1, 4, 8)
COMMITS_MS = (0, 1, 5, 10)
"""How much longer than on this disk a commit takes."""

_LONG_COMMIT_MS = 5
_CAMERAS = 64
"""Cameras of all processes together where the most is measured."""

_CONCURRENCY = 4
_MAX_ACTIVE = 256
_POLL = timedelta(seconds=1)
_URGENT_SECONDS = 0.25
_WARM_UP_SECONDS = 3.0
"""For connections, which are new in each measurement: each reads the catalogue and plans its statements, 40 of them
with eight processes on the same processors."""

_HISTORY = 20_000
_EVERY = timedelta(seconds=1)
"""Ended jobs at the beginning: plans for an empty table read all of what comes into it, until it is analysed."""


class _Run(NamedTuple):
    """What is measured at one time."""

    commit_ms: int
    processes: int
    cameras: int = 1
    """Of each process."""

    by_hand: bool = False


def measure(folder: Path, *, seconds: float = 3.0, rounds: int = 3) -> dict[str, Any]:
    """Photos per second, processor time and acquires per photo, by time of a commit and number of processes."""
    runs = [
        _Run(commit_ms, count, by_hand=by_hand)
        for commit_ms in (0, _LONG_COMMIT_MS)
        for count in PROCESSES
        for by_hand in (False, True)
    ]
    runs += [_Run(commit_ms, count, _CAMERAS // count) for commit_ms in COMMITS_MS for count in (1, max(PROCESSES))]
    rows: dict[_Run, list[dict[str, float]]] = {run: [] for run in runs}
    with _server(folder) as server, ExitStack() as stack:
        children = [stack.enter_context(_child()) for _ in range(max(PROCESSES))]
        for turn in range(rounds + 1):  # the first warms up
            for run in runs:
                row = _measure(server, children, run, seconds if turn else seconds / 3)
                if turn:
                    rows[run].append(row)
    return {"seconds": seconds, "rows": [_figures(run, rows) for run in runs]}


def _figures(run: _Run, rows: Mapping[_Run, Sequence[Mapping[str, float]]]) -> dict[str, Any]:
    measured = rows[run]
    single = rows[run._replace(processes=1, cameras=1 if run.cameras == 1 else _CAMERAS)]
    return {
        "commit_ms": run.commit_ms,
        "side": "by hand" if run.by_hand else "ours",
        "processes": run.processes,
        "cameras": run.processes * run.cameras,
        "photos_per_s": round(_median(measured, "rate")),
        "to_one": round(
            statistics.median(row["rate"] / one["rate"] for row, one in zip(measured, single, strict=True)), 2
        ),
        "photo_ms": round(_median(measured, "photo_ms"), 1),
        "clients_ms": round(_median(measured, "clients_ms"), 2),
        "server_ms": round(_median(measured, "server_ms"), 2),
        "acquires_per_photo": round(_median(measured, "acquires"), 2),
        "worst_acquires_per_photo": round(max(row["acquires"] for row in measured), 2),
    }


def _median(rows: Sequence[Mapping[str, float]], name: str) -> float:
    return statistics.median(row[name] for row in rows)


@contextmanager
def _server(folder: Path) -> Iterator[tuple[EmbeddedServer, psutil.Process]]:
    """A server with a database for each time of a commit, and its process."""
    server = EmbeddedServer.start(folder / "postgres")
    try:
        for commit_ms in COMMITS_MS:
            name = _database(commit_ms)
            server.ensure_database(name)
            migrate(server.url(name))
            with psycopg.connect(server.url(name), autocommit=True) as connection:
                fill(connection, _HISTORY, every=_EVERY)
                connection.execute("vacuum analyze")
                if commit_ms:
                    connection.execute(f"alter database {name} set commit_delay = {commit_ms * 1000}")
                    connection.execute(f"alter database {name} set commit_siblings = 0")
        pid = int((folder / "postgres" / "data" / "postmaster.pid").read_text().split()[0])
        yield server, psutil.Process(pid)
    finally:
        server.close()


def _database(commit_ms: int) -> str:
    return f"commit_{commit_ms}_ms"


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


def _measure(
    server: tuple[EmbeddedServer, psutil.Process],
    all_children: Sequence[subprocess.Popen[str]],
    run: _Run,
    seconds: float,
) -> dict[str, float]:
    children = all_children[: run.processes]
    url = server[0].url(_database(run.commit_ms))
    for child in children:
        _say(child, {"url": url, "seconds": seconds, "by_hand": run.by_hand, "cameras": run.cameras})
    for child in children:
        assert _hear(child) == "ready"
    for child in children:
        _say(child, "go")
    time.sleep(_WARM_UP_SECONDS)
    before = _processor_seconds(server[1])
    time.sleep(seconds)
    worked = _processor_seconds(server[1]) - before
    ended = [cast("dict[str, float]", _hear(child)) for child in children]
    for child in children:
        _say(child, "stop")
    photos = sum(end["photos"] for end in ended)
    assert photos, "no photo came to its end"
    rate = sum(end["photos"] / end["seconds"] for end in ended)
    return {
        "rate": rate,
        "photo_ms": run.processes * run.cameras / rate * 1000,
        "acquires": sum(end["acquires"] for end in ended) / photos,
        "clients_ms": sum(end["processor_s"] for end in ended) / photos * 1000,
        "server_ms": worked / photos * 1000,
    }


def _processor_seconds(server: psutil.Process) -> float:
    """Of the server and its processes, those that have ended included."""
    own = server.cpu_times()
    total = own.user + own.system + own.children_user + own.children_system
    for process in server.children():
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system
    return total


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


class PoolProcess:
    """Cameras and a worker pool of one process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._signals = PostgresJobSignals(database)
        self._queue = PostgresJobQueue(database)
        self._acquisition = _CountedAcquisition(self._queue)
        self._listening: asyncio.Task[None] | None = None
        self.photos = 0

    @property
    def acquires(self) -> int:
        """How often the pool has looked for a job."""
        return self._acquisition.calls

    async def open(self, cameras: int) -> None:
        """Connect, and listen."""
        self._listening = asyncio.create_task(self._signals.listen())
        await self._signals.wait_until_listening()

    async def run(self, cameras: int) -> None:
        """Send photos and make them, until cancelled."""
        parts: dict[str, Any] = {
            "completion": None,
            "queue": self._queue,
            "signals": self._signals,
            "processing": _Processor(self._queue),
            "acquisition": self._acquisition,
        }
        pool = WorkerPool(**parts, options=PoolOptions(concurrency=_CONCURRENCY))
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(pool.run())
                for _ in range(cameras):
                    tasks.create_task(self._send())
        finally:
            if self._listening is not None:
                self._listening.cancel()
                await asyncio.gather(self._listening, return_exceptions=True)
            await self._database.close()

    async def _send(self) -> None:
        while True:
            job = msgspec.structs.replace(job_of(self.photos), held_by=self._signals.process)
            with self._signals.finalized(job.id) as ended:
                await self._queue.enqueue(job, max_active=_MAX_ACTIVE, asked=())
                await ended.wait(_POLL)
            self.photos += 1


async def _measured(url: str, seconds: float, *, by_hand: bool, cameras: int, line: Any) -> None:
    process: PoolProcess | BaselineProcess
    process = BaselineProcess(url, job_of=job_of, result_of=result_of) if by_hand else PoolProcess(Database(url))
    await process.open(cameras)
    print(json.dumps("ready"), flush=True)
    await asyncio.to_thread(line)
    running = asyncio.create_task(process.run(cameras))
    await asyncio.sleep(_WARM_UP_SECONDS)
    photos, acquires, worked, began = process.photos, process.acquires, time.process_time(), time.monotonic()
    await asyncio.sleep(seconds)
    made = {
        "seconds": time.monotonic() - began,
        "photos": process.photos - photos,
        "acquires": process.acquires - acquires,
        "processor_s": time.process_time() - worked,
    }
    print(json.dumps(made), flush=True)
    await asyncio.to_thread(line)  # the others still measure
    if running.done():
        await running  # it has failed
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def main() -> None:
    """Do what each line asks for: the database, the seconds and the side, then the words to begin and to stop."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        while line := sys.stdin.readline():
            runner.run(_measured(**json.loads(line), line=sys.stdin.readline))


if __name__ == "__main__":
    main()
