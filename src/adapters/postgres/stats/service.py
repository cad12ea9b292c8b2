"""The StatsService port: sums by quarter hour, and the jobs finalized since the last fold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import msgspec
import psycopg

from ....core.domain.job import FailureReason
from ....core.domain.stats.summary import BUCKET_BOUNDS_MS, StatsCell, StatsOutcome, outcome_of
from ..database import Database
from ..outages import unavailable
from . import sql

_BUCKETS = [*BUCKET_BOUNDS_MS]
_DAY = timedelta(days=1)
_HOUR = timedelta(hours=1)
_OUTCOMES = {str(outcome): outcome for outcome in StatsOutcome}


class PostgresStatsService:
    """Reads the sums of quarters, hours and days, and `stats_ended` (ADR 23)."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def cells(
        self,
        bounds: Sequence[datetime],
        *,
        slot_id: str | None = None,
        provider_id: str | None = None,
        since: datetime | None = None,
    ) -> list[StatsCell]:
        first, last = bounds[0], bounds[-1]
        parameters: dict[str, Any] = {
            "bounds": [*bounds],
            "first": first if since is None else max(first, since),
            "last": last,
            "slot_id": slot_id,
            "provider_id": provider_id,
            "buckets": _BUCKETS,
        }
        if slot_id is None:
            parameters |= _pieces([parameters["first"], *(bound for bound in bounds if bound > parameters["first"])])
        statement = sql.ALL_CELLS if slot_id is None else sql.SLOT_CELLS
        async with self._database.begin() as connection:
            await connection.exec_driver_sql(sql.PLAN_FOR_THIS)
            rows: Sequence[Any] = (await connection.exec_driver_sql(statement, parameters)).all()
        return [
            StatsCell(period, provider_id, _OUTCOMES[outcome], bucket, count)
            for period, provider_id, outcome, bucket, count in rows
        ]

    async def cells_by_slot(
        self,
        bounds: Sequence[datetime],
        *,
        provider_id: str | None = None,
    ) -> dict[str, list[StatsCell]]:
        start, end = bounds[0], bounds[-1]
        parameters: dict[str, Any] = {
            "bounds": [*bounds],
            "first": start,
            "last": end,
            "provider_id": provider_id,
            "buckets": _BUCKETS,
        }
        # Bounds may split a day, so sums of days and weeks cannot be used with them.
        parameters |= _cut(start, end) if len(bounds) > 2 else _spans(start, end)
        async with self._database.begin() as connection:
            await connection.exec_driver_sql(sql.PLAN_FOR_THIS)
            rows: Sequence[Any] = (await connection.exec_driver_sql(sql.CELLS_BY_SLOT, parameters)).all()
        found: dict[str, list[StatsCell]] = {}
        for id, period, provider, outcome, bucket, count in rows:
            found.setdefault(id, []).append(StatsCell(period, provider, _OUTCOMES[outcome], bucket, count))
        return dict(sorted(found.items()))

    async def outcomes_by_slot(
        self, start: datetime, end: datetime, *, marks: Mapping[str, datetime]
    ) -> dict[str, dict[StatsOutcome, int]]:
        parameters = {"first": start, "last": end, "marked": [*marks], "marks": [*marks.values()]}
        async with self._database.begin() as connection:
            await connection.exec_driver_sql(sql.PLAN_FOR_THIS)
            rows: Sequence[Any] = (await connection.exec_driver_sql(sql.OUTCOMES_BY_SLOT, parameters)).all()
        found: dict[str, dict[StatsOutcome, int]] = {}
        for slot_id, outcome, count in rows:
            found.setdefault(slot_id, {})[_OUTCOMES[outcome]] = count
        return found

    async def fold(self, *, before: datetime, limit: int) -> int:
        parameters = {"before": before, "limit": limit, "buckets": _BUCKETS}
        async with self._database.begin() as connection:
            if not (await connection.exec_driver_sql(sql.TRY_LOCK)).scalar_one():
                return 0
            return int((await connection.exec_driver_sql(sql.FOLD, parameters)).scalar_one())

    async def rebuild(self, *, before: datetime) -> int:
        outcomes = {"": outcome_of(None, None)} | {str(reason): outcome_of(reason, None) for reason in FailureReason}
        parameters: dict[str, Any] = {
            "before": before,
            "buckets": _BUCKETS,
            "outcomes": msgspec.json.encode(outcomes).decode(),
            "fallback": StatsOutcome.FALLBACK,
        }
        # The lock is held by a transaction of its own: the snapshot of jobs and `stats_ended` is taken under it.
        with unavailable():
            async with (
                await self._database.connect() as holder,
                await self._database.connect() as connection,
                holder.transaction(),
            ):
                holder.reply_within = connection.reply_within = None
                await holder.execute(sql.WITHOUT_LIMITS)
                await holder.execute(sql.LOCK)
                await connection.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
                async with connection.transaction():
                    await connection.execute(sql.WITHOUT_LIMITS)
                    kept = await (await connection.execute(sql.KEPT_FROM)).fetchone()
                    assert kept is not None
                    parameters["kept_from"] = kept[0]
                    for statement in sql.FORGET:
                        await connection.execute(statement, parameters)
                    settled = await (await connection.execute(sql.COUNT_SETTLED, parameters)).fetchone()
                    assert settled is not None
                    await connection.execute(sql.COUNT_DAYS, parameters)
                    await connection.execute(sql.COUNT_SPANS, parameters)
                    others = await connection.execute(sql.COUNT_OTHERS, parameters)
                    await holder.execute(sql.LOCK)  # fails where the lock was lost with its connection
                    return int(settled[0]) + others.rowcount


def _pieces(bounds: Sequence[datetime]) -> dict[str, list[datetime]]:
    """The days of 24 hours, whole hours and partial hours that the periods between bounds consist of."""
    days: list[datetime] = []
    hours: list[datetime] = []
    cut = {_hour(bound) for bound in bounds if bound != _hour(bound)}
    for start, end in pairwise(bounds):
        moment = _hour(start) if start == _hour(start) else _hour(start) + _HOUR
        while moment + _DAY <= end:
            days.append(moment)
            moment += _DAY
        while moment + _HOUR <= end:
            hours.append(moment)
            moment += _HOUR
    return {"days": days, "hours": hours, "cut": sorted(cut)}


def _spans(start: datetime, end: datetime) -> dict[str, list[datetime]]:
    """The UTC weeks and days in a range, and the bounds of the pieces before and after them."""
    first = start.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    first = first if first == start else first + _DAY
    weeks: list[datetime] = []
    days: list[datetime] = []
    moment = first
    while moment + _DAY <= end:
        if moment.weekday() == 0 and moment + 7 * _DAY <= end:
            weeks.append(moment)
            moment += 7 * _DAY
        else:
            days.append(moment)
            moment += _DAY
    if moment == first:
        return _cut(start, end)
    return {"weeks": weeks, "days": days, "starts": [start, moment], "ends": [first, end]}


def _cut(start: datetime, end: datetime) -> dict[str, list[datetime]]:
    """The same range in quarters only."""
    return {"weeks": [], "days": [], "starts": [start], "ends": [end]}


def _hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)
