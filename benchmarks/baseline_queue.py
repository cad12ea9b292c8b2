"""Baseline with hand-written SQL: psycopg, one connection per caller, one row per statement, no library in between.

It keeps no bound on active jobs and batches nothing; every statement is its own durable transaction.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import psycopg
from photochanger.core.domain.job import JobSpec

_ENQUEUE = """
with route as (
    insert into photochanger.job_routes (id, route, used_at)
    values (md5(%(route)s)::uuid, %(route)s::jsonb, now()) on conflict do nothing
),
job as (
    insert into photochanger.jobs (
        id, slot_id, source, state, created_at, expires_at, route_id, route_provider, photo, payload_key, sha256,
        access_token, metadata
    ) values (
        %(id)s, %(slot_id)s, %(source)s, 'pending', %(created_at)s, %(expires_at)s, md5(%(route)s)::uuid,
        %(route_provider)s, %(photo)s, %(payload_key)s, %(sha256)s, %(access_token)s, '{}'
    )
    returning id, created_at
),
logged as (
    insert into photochanger.processing_logs (job_id, at, event) select id, created_at, 'received' from job
)
select pg_notify('baseline_work', '') from job
"""

_ACQUIRE = """
with picked as (
    select id from photochanger.jobs
    where finalized_at is null and expires_at > now() and (state = 'pending' or lease_until <= now())
    order by created_at, id limit 1 for update skip locked
),
taken as (
    update photochanger.jobs
    set state = 'processing', attempt = attempt + 1, worker = 'baseline', lease_until = now() + interval '10 s',
        acquired_at = coalesce(acquired_at, now())
    from picked where jobs.id = picked.id
    returning jobs.id, jobs.slot_id, jobs.attempt,
        (select route::text from photochanger.job_routes where id = jobs.route_id), jobs.photo::text,
        jobs.metadata::text
),
logged as (
    insert into photochanger.processing_logs (job_id, at, event, detail)
    select id, now(), 'acquired', jsonb_build_object('attempt', attempt) from taken
)
select * from taken
"""

_FINALIZE = """
with done as (
    update photochanger.jobs
    set state = 'succeeded', finalized_at = now(), result = %(result)s, result_stem = %(stem)s,
        result_expires_at = now() + interval '72 h', worker = null, lease_until = null
    where id = %(id)s and finalized_at is null and attempt = %(attempt)s
    returning id, slot_id, created_at, finalized_at
),
logged as (
    insert into photochanger.processing_logs (job_id, at, event, detail)
    select id, finalized_at, 'finalized', jsonb_build_object('state', 'succeeded') from done
),
counted as (
    insert into photochanger.stats_ended (slot_id, at, provider_id, outcome, latency_ms)
    select slot_id, finalized_at, 'local', 'success', floor(extract(epoch from finalized_at - created_at) * 1000)
    from done
),
notified as (select pg_notify('baseline_finalized', id::text) from done)
select done.id from done left join notified on true
"""


class BaselineQueue:
    """One connection per caller; caller `n` uses connection `n`."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connections: list[psycopg.AsyncConnection[Any]] = []

    async def open(self, callers: int) -> None:
        """Connect the callers."""
        while len(self._connections) < callers:
            connection = await psycopg.AsyncConnection.connect(self._url, autocommit=True, prepare_threshold=0)
            self._connections.append(connection)

    async def close(self) -> None:
        """Close every connection."""
        for connection in self._connections:
            await connection.close()
        self._connections.clear()

    async def enqueue(self, caller: int, job: JobSpec) -> None:
        """Store one job and one log entry, and notify."""
        await self._connections[caller].execute(
            _ENQUEUE,
            {
                "id": job.id,
                "slot_id": job.slot_id,
                "source": job.source.value,
                "created_at": job.created_at,
                "expires_at": job.expires_at,
                "route": msgspec.json.encode(job.route).decode(),
                "route_provider": job.route.entries[0].provider_id,
                "photo": msgspec.json.encode(job.photo).decode(),
                "payload_key": str(job.photo.file.key),
                "sha256": job.photo.file.sha256,
                "access_token": job.access_token,
            },
        )

    async def acquire(self, caller: int) -> Any:
        """Acquire one job; None if there is none."""
        return await (await self._connections[caller].execute(_ACQUIRE)).fetchone()

    async def finalize(self, caller: int, row: Any, result: bytes, stem: str) -> bool:
        """Finalize the job by compare-and-set."""
        parameters = {"id": row[0], "attempt": row[2], "result": result.decode(), "stem": stem}
        return await (await self._connections[caller].execute(_FINALIZE, parameters)).fetchone() is not None

    async def listen(self, caller: int, *further: str) -> psycopg.AsyncConnection[Any]:
        """The caller's connection, listening for new jobs, and to further channels."""
        for channel in ("baseline_work", *further):
            await self._connections[caller].execute(f"listen {channel}")
        return self._connections[caller]


class BaselineProcess:
    """Cameras and a worker of one process, with a connection each, and one that listens to all channels.

    The worker takes and ends one job after the other while it finds some, at each NOTIFY for a new job.

    Attributes:
        photos: how many have come to their end.
        acquires: how often the worker has looked for a job.
    """

    def __init__(self, url: str, *, job_of: Callable[[int], JobSpec], result_of: Callable[[str], Any]) -> None:
        self._queue = BaselineQueue(url)
        self._job_of = job_of
        self._result_of = result_of
        self._ends: dict[str, asyncio.Event] = {}
        self._work = asyncio.Event()
        self.photos = self.acquires = 0

    async def open(self, cameras: int) -> None:
        """Connect, and listen."""
        await self._queue.open(cameras + 2)
        self._listener = await self._queue.listen(cameras, "baseline_finalized")

    async def run(self, cameras: int) -> None:
        """Send photos and make them, until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._receive())
                tasks.create_task(self._make(cameras + 1))
                for camera in range(cameras):
                    tasks.create_task(self._send(camera))
        finally:
            await self._queue.close()

    async def _receive(self) -> None:
        async for notice in self._listener.notifies():
            if notice.channel == "baseline_work":
                self._work.set()
            elif notice.payload in self._ends:
                self._ends[notice.payload].set()

    async def _send(self, camera: int) -> None:
        while True:
            job = self._job_of(self.photos)
            ended = self._ends[str(job.id)] = asyncio.Event()
            await self._queue.enqueue(camera, job)
            await ended.wait()
            del self._ends[str(job.id)]
            self.photos += 1

    async def _make(self, caller: int) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            while (row := await self._look(caller)) is not None:
                stem = row[0].hex
                await self._queue.finalize(caller, row, msgspec.json.encode(self._result_of(stem)), stem)

    async def _look(self, caller: int) -> Any:
        self.acquires += 1
        return await self._queue.acquire(caller)
