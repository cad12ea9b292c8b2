"""The queries of the job lists. Conditions that follow from a filter are stated too: partial indexes serve by them."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, false, func, literal_column, not_, select, true, tuple_

from ...core.domain.job import (
    Job,
    JobFilter,
    JobOrder,
    JobSource,
    JobState,
)
from ...core.domain.pagination import Position
from ...core.domain.slot_health import NOT_THE_SLOTS
from .rows import JOB_COLUMNS
from .schema import jobs, processing_logs, slots

JOB: ColumnElement[Any] = literal_column(JOB_COLUMNS)
"""Everything that `job_from_row` needs."""

_LIVE = {state for state in JobState if not state.finalized}
_WITH_REASON = {JobState.FAILED, JobState.TIMED_OUT, JobState.CANCELLED}
_CLOCKS_DIFFER = timedelta(hours=1)
"""A job ends after it began, by clocks that may differ a little: more than any two of them do."""

_BEFORE_ALL = datetime(2000, 1, 1, tzinfo=UTC)
"""No job is so old; what somebody asks for may be, up to where no earlier moment can be counted."""

_BY_END = (JobOrder.ENDED_LAST, JobOrder.ENDED_FIRST)
_NEWEST_FIRST = (JobOrder.NEWEST, JobOrder.ENDED_LAST)


def find_jobs(wanted: JobFilter, *, order: JobOrder, limit: int, after: Position | None) -> Select[Any]:
    """Up to `limit` jobs that the filter holds, in this order, after this position."""
    moment = jobs.c.finalized_at if order in _BY_END else jobs.c.created_at
    query = select(JOB).select_from(jobs).where(*_conditions(wanted)).limit(limit)
    if order in _BY_END:
        query = query.where(jobs.c.finalized_at.is_not(None))
        if wanted.created_from is not None:
            begun = max(wanted.created_from, _BEFORE_ALL)
            query = query.where(jobs.c.finalized_at >= begun - _CLOCKS_DIFFER)
    place = tuple_(moment, jobs.c.id)
    if order in _NEWEST_FIRST:
        query = query.order_by(moment.desc(), jobs.c.id.desc())
        return query if after is None else query.where(place < (after.at, after.id))
    query = query.order_by(moment, jobs.c.id)
    return query if after is None else query.where(place > (after.at, after.id))


def position(job: Job, order: JobOrder) -> Position:
    """Where a job stands in a list of this order. ValueError for one that has not ended in a list by ends."""
    moment = job.finalized_at if order in _BY_END else job.created_at
    if moment is None:
        raise ValueError(f"job {job.id} has not ended")
    return Position(moment, job.id)


def recent_results(
    slot_id: str, *, now: datetime, limit: int, sources: Collection[JobSource], after: Position | None
) -> Select[Any]:
    """The slot's newest jobs with a result that holds."""
    query = (
        select(JOB)
        .select_from(jobs)
        .where(
            jobs.c.slot_id == slot_id,
            jobs.c.source.in_([*sources]),
            *_holding(now),
        )
        .order_by(jobs.c.finalized_at.desc(), jobs.c.id.desc())
        .limit(limit)
    )
    return query if after is None else query.where(tuple_(jobs.c.finalized_at, jobs.c.id) < (after.at, after.id))


def newest_results(*, now: datetime) -> Select[Any]:
    """The first of those of each slot."""
    newest = (
        select(JOB)
        .select_from(jobs)
        .where(jobs.c.slot_id == slots.c.id, *_holding(now))
        .order_by(jobs.c.finalized_at.desc(), jobs.c.id.desc())
        .limit(1)
        .correlate(slots)
        .lateral("newest")
    )
    return select(literal_column("newest.*")).select_from(slots.join(newest, true()))


def last_jobs(*, since: datetime) -> Select[Any]:
    """How many jobs ended, got no picture, and got a fallback, by slot (see `core.overview`)."""
    fallback = func.coalesce(jobs.c.result["fallback"].as_boolean(), false())
    return (
        select(
            jobs.c.slot_id,
            func.count().label("ended"),
            func.count().filter(jobs.c.failure_reason.is_not(None), not_(fallback)).label("failed"),
            func.count().filter(fallback).label("fallbacks"),
        )
        .where(
            jobs.c.finalized_at.is_not(None),
            jobs.c.finalized_at >= since,
            jobs.c.source != JobSource.TEST,
            func.coalesce(jobs.c.failure_reason, "").not_in([*NOT_THE_SLOTS]),
        )
        .group_by(jobs.c.slot_id)
    )


def events(*, after: int, limit: int) -> Select[Any]:
    """Log entries with a higher id, and whose they are."""
    return (
        select(processing_logs, jobs.c.slot_id, jobs.c.source)
        .join_from(processing_logs, jobs, jobs.c.id == processing_logs.c.job_id)
        .where(processing_logs.c.id > after)
        .order_by(processing_logs.c.id)
        .limit(limit)
    )


def _holding(now: datetime) -> list[ColumnElement[bool]]:
    """Jobs whose result can still be had."""
    return [
        jobs.c.finalized_at.is_not(None),
        jobs.c.result_stem.is_not(None),
        jobs.c.result_purged_at.is_(None),
        jobs.c.result_expires_at > now,
    ]


def _conditions(wanted: JobFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    states = {*wanted.states}
    if states:
        found.append(jobs.c.state.in_([*states]))
        if states <= _LIVE:
            found.append(jobs.c.finalized_at.is_(None))
        elif not states & _LIVE:
            found.append(jobs.c.finalized_at.is_not(None))
        if states <= _WITH_REASON:
            found.append(jobs.c.failure_reason.is_not(None))
    if wanted.slot_id is not None:
        found.append(jobs.c.slot_id == wanted.slot_id)
    if wanted.failure_reason is not None:
        found += [jobs.c.failure_reason == wanted.failure_reason, jobs.c.failure_reason.is_not(None)]
    if wanted.source is not None:
        found.append(jobs.c.source == wanted.source)
    if wanted.created_from is not None:
        found.append(jobs.c.created_at >= wanted.created_from)
    if wanted.created_to is not None:
        found.append(jobs.c.created_at < wanted.created_to)
    return found
