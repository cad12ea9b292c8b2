"""The ProviderLimits port on PostgreSQL: the rules of the core under one lock, which the queue's `acquire` takes too.

Concurrent calls share a batch; a crash of the database server may lose the last second of what they recorded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import psycopg
from sqlalchemy import func, select

from ...core.domain.job import Claim
from ...core.domain.routing.provider_usage import (
    PERMIT_POLL,
    Admission,
    CallRecord,
    LimitKind,
    ProviderHealth,
    ProviderLimit,
    Usage,
    admit_call,
    health_of,
    record_call,
)
from ...core.domain.stored_values import from_row
from .database import Database
from .jobs.queue_sql import LOCK_PLACES
from .schema import provider_usage

_READ_USAGE = """
select clock_timestamp() as at, known.provider_id, known.usage::text
from (values (1)) as always
left join photochanger.provider_usage as known on known.provider_id = any(%(ids)s)
"""

_READ_PLACES = """
select id, attempt, places from photochanger.jobs
where finalized_at is null and state = 'processing' and lease_until > clock_timestamp()
"""

_WRITE_USAGE = """
insert into photochanger.provider_usage (provider_id, usage)
select * from unnest(%(ids)s::text[], %(usages)s::jsonb[])
on conflict (provider_id) do update set usage = excluded.usage
"""

_WRITE_PLACES = """
update photochanger.jobs set places = string_to_array(changed.places, ',')
from unnest(%(ids)s::uuid[], %(places)s::text[]) as changed (id, places)
where jobs.id = changed.id and jobs.finalized_at is null
"""

_usages = msgspec.json.Decoder(Usage)


class _Acquire(NamedTuple):
    claim: Claim
    provider_id: str
    permit: str
    limit: ProviderLimit


class _Release(NamedTuple):
    claim: Claim
    provider_id: str
    permit: str
    report: CallRecord


class PostgresProviderLimits:
    """Acquiring and releasing share a batcher, which keeps the order of one caller's calls."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._calls = database.batcher(_run_batch, durable=False)

    async def acquire(self, claim: Claim, provider_id: str, *, entry: int, limit: ProviderLimit) -> Admission:
        admission = await self._calls.call(_Acquire(claim, provider_id, f"{provider_id}/{entry}", limit))
        assert isinstance(admission, Admission)
        return admission

    async def release(self, claim: Claim, provider_id: str, *, entry: int, report: CallRecord) -> None:
        await self._calls.call(_Release(claim, provider_id, f"{provider_id}/{entry}", report))

    async def health(self) -> dict[str, ProviderHealth]:
        query = select(provider_usage.c.provider_id, provider_usage.c.usage, func.now().label("at"))
        async with self._database.begin() as connection:
            rows = (await connection.execute(query)).all()
        return {row.provider_id: health_of(from_row(_usage, row.usage), now=row.at) for row in rows}


def _usage(document: Any) -> Usage:
    return msgspec.convert(document, Usage)


async def _run_batch(
    connection: psycopg.AsyncConnection[Any], batch: Sequence[_Acquire | _Release]
) -> list[Admission | None]:
    async with connection.pipeline() as pipeline:
        await connection.execute(LOCK_PLACES)
        usage = await connection.execute(_READ_USAGE, {"ids": [*{item.provider_id for item in batch}]})
        jobs = await connection.execute(_READ_PLACES)
        await pipeline.sync()
        state = _LimitState(await usage.fetchall(), await jobs.fetchall())
        answers = [state.take(item) for item in batch]
        await state.write(connection)
    return answers


class _LimitState:
    """Usage of the requested providers and the permits of all running jobs, as read under the lock."""

    def __init__(
        self, usage: Sequence[tuple[datetime, str | None, str]], jobs: Iterable[tuple[UUID, int, list[str]]]
    ) -> None:
        self._now = usage[0][0]
        self._usage = {
            provider_id: from_row(_usages.decode, text) for _, provider_id, text in usage if provider_id is not None
        }
        self._read = dict(self._usage)
        self._attempts: dict[UUID, int] = {}
        self._places: dict[UUID, list[str]] = {}
        for job_id, attempt, places in jobs:
            self._attempts[job_id] = attempt
            self._places[job_id] = places
        self._taken = Counter(permit.partition("/")[0] for places in self._places.values() for permit in places)
        self._changed: set[UUID] = set()

    def take(self, item: _Acquire | _Release) -> Admission | None:
        """Apply one call; returns the admission for an acquisition."""
        if isinstance(item, _Acquire):
            return self._acquire(item)
        self._release(item)
        return None

    def _acquire(self, item: _Acquire) -> Admission:
        if not self._is_newest(item.claim):
            return Admission(LimitKind.CONCURRENCY, PERMIT_POLL)
        self._free_permit(item.claim.job.id, item.permit)
        self._usage[item.provider_id], admission = admit_call(
            self._usage.get(item.provider_id, Usage()),
            item.limit,
            now=self._now,
            permits_taken=self._taken[item.provider_id],
        )
        if admission.granted and item.limit.max_concurrent is not None:
            self._places[item.claim.job.id].append(item.permit)
            self._taken[item.provider_id] += 1
            self._changed.add(item.claim.job.id)
        return admission

    def _release(self, item: _Release) -> None:
        if self._is_newest(item.claim):
            self._free_permit(item.claim.job.id, item.permit)
        usage = self._usage.get(item.provider_id, Usage())
        self._usage[item.provider_id] = record_call(usage, item.report, now=self._now)

    async def write(self, connection: psycopg.AsyncConnection[Any]) -> None:
        """Store what differs from what was read."""
        changed = {key: usage for key, usage in self._usage.items() if usage != self._read.get(key)}
        if changed:
            usages = [msgspec.json.encode(usage).decode() for usage in changed.values()]
            await connection.execute(_WRITE_USAGE, {"ids": [*changed], "usages": usages})
        if self._changed:
            places = [",".join(self._places[job_id]) for job_id in self._changed]
            await connection.execute(_WRITE_PLACES, {"ids": [*self._changed], "places": places})

    def _is_newest(self, claim: Claim) -> bool:
        return self._attempts.get(claim.job.id) == claim.attempt

    def _free_permit(self, job_id: UUID, permit: str) -> None:
        if permit in self._places[job_id]:
            self._places[job_id].remove(permit)
            self._taken[permit.partition("/")[0]] -= 1
            self._changed.add(job_id)
