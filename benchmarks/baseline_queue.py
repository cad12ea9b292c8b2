"""Baseline with hand-written SQL: psycopg, one connection per caller, one row per statement, no library in between.

It keeps no bound on active jobs and batches nothing; every statement is its own durable transaction.
"""

from __future__ import annotations

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

    async def listen(self, caller: int) -> psycopg.AsyncConnection[Any]:
        """The caller's connection, listening for new jobs."""
        await self._connections[caller].execute("listen baseline_work")
        return self._connections[caller]
