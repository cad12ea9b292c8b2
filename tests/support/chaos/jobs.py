"""The jobs of a form as its database has them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from tests.support.chaos.database import DatabaseServer

_JOBS = """
select id, slot_id, state, sha256, created_at, expires_at, finalized_at, attempt, error_code, result_stem,
    result #>> '{picture,file,sha256}', coalesce((result ->> 'fallback')::boolean, false),
    exists (select from photochanger.webhook_deliveries where job_id = jobs.id)
from photochanger.jobs
"""
_LOG = """
select at, event, detail from photochanger.processing_logs where job_id = any(%s) order by at, id
"""
_STATE_OF_DELIVERIES = "select job_id, state from photochanger.webhook_deliveries"
_DELIVERIES_DUE = "update photochanger.webhook_deliveries set next_at = now() where state = 'pending'"
_CONNECTIONS = """
select count(*) from pg_stat_activity
where datname = current_database() and pid <> pg_backend_pid() and application_name like 'photochanger%'
"""


class JobRow(msgspec.Struct, frozen=True):
    """What the checks need of a job."""

    id: UUID
    slot_id: str
    state: str
    photo_sha256: str
    created_at: datetime
    expires_at: datetime
    finalized_at: datetime | None
    attempt: int
    error_code: str | None
    result_stem: str | None
    result_sha256: str | None
    is_fallback: bool
    has_delivery: bool


class Jobs:
    """Reads past the relay, whatever becomes of the service."""

    def __init__(self, database: DatabaseServer) -> None:
        self._database = database

    async def all(self) -> list[JobRow]:
        return [JobRow(*row) for row in await self._database.rows(_JOBS)]

    async def log(self, ids: Iterable[UUID]) -> list[str]:
        """The processing logs of these jobs, a line each."""
        found = await self._database.rows(_LOG, list(ids))
        return [f"{at:%H:%M:%S.%f} {event} {_shown(detail)}" for at, event, detail in found]

    async def undelivered(self) -> set[str]:
        """Jobs whose webhook was not delivered."""
        found = await self._database.rows(_STATE_OF_DELIVERIES)
        return {str(job_id) for job_id, state in found if state != "delivered"}

    async def make_deliveries_due(self) -> None:
        """Deliveries that wait for a next try are due now."""
        await self._database.rows(_DELIVERIES_DUE)

    async def connections(self) -> int:
        """Connections of the service to its database."""
        ((count,),) = await self._database.rows(_CONNECTIONS)
        return int(count)


def _shown(detail: Mapping[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in detail.items())[:300]
