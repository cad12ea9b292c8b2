"""Queries of job lists. They repeat conditions that follow from a filter, so that partial indexes can serve them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, bindparam, case, exists, false, func, literal_column, not_, select, tuple_

from ....core.domain.job import Job, JobSource, JobState, LogEvent
from ....core.domain.pagination import JobFilter, JobOrder, JobResult, Page, Position
from ....core.domain.results.listing import ResultFilter, Visibility
from ..schema import jobs, processing_logs
from .rows import JOB_COLUMNS

JOB: ColumnElement[Any] = literal_column(JOB_COLUMNS)
"""The columns for `job_from_row`."""

_LIVE = {state for state in JobState if not state.finalized}
_WITH_REASON = {JobState.FAILED, JobState.TIMED_OUT, JobState.CANCELLED}
_CLOCKS_DIFFER = timedelta(hours=1)
"""Maximum difference of the clocks of a job's creation and end."""

_BEFORE_ALL = datetime(2000, 1, 1, tzinfo=UTC)
"""No job is older; a filter may be, down to `datetime.min`, which nothing can be subtracted from."""

_BY_END = (JobOrder.ENDED_LAST, JobOrder.ENDED_FIRST)
_NEWEST_FIRST = (JobOrder.NEWEST, JobOrder.ENDED_LAST)


def find_jobs(filter: JobFilter, *, order: JobOrder, limit: int, after: Position | None) -> Select[Any]:
    """Up to `limit` jobs that match the filter, in this order, after this position."""
    moment = jobs.c.finalized_at if order in _BY_END else jobs.c.created_at
    query = select(JOB).select_from(jobs).where(*_conditions(filter)).limit(limit)
    if order in _BY_END:
        query = query.where(jobs.c.finalized_at.is_not(None))
        if filter.created_from is not None:
            begun = max(filter.created_from, _BEFORE_ALL)
            query = query.where(jobs.c.finalized_at >= begun - _CLOCKS_DIFFER)
    position = tuple_(moment, jobs.c.id)
    if order in _NEWEST_FIRST:
        query = query.order_by(moment.desc(), jobs.c.id.desc())
        return query if after is None else query.where(position < (after.at, after.id))
    query = query.order_by(moment, jobs.c.id)
    return query if after is None else query.where(position > (after.at, after.id))


def page(found: list[Job], *, limit: int, order: JobOrder) -> Page[Job]:
    """A page of what a query for one job more than the page found."""
    items = tuple(found[:limit])
    return Page(items, _position(items[-1], order) if len(found) > limit else None)


def _position(job: Job, order: JobOrder) -> Position:
    moment = job.finalized_at if order in _BY_END else job.created_at
    if moment is None:
        raise ValueError(f"job {job.id} has not ended")
    return Position(moment, job.id)


def results(wanted: ResultFilter, *, now: datetime, limit: int, after: Position | None) -> Select[Any]:
    """The newest jobs whose results match and have not expired, with `hidden_at`."""
    query = (
        select(JOB, jobs.c.hidden_at)
        .select_from(jobs)
        .where(*_available(now), *_of_results(wanted))
        .order_by(jobs.c.finalized_at.desc(), jobs.c.id.desc())
        .limit(limit)
    )
    return query if after is None else query.where(tuple_(jobs.c.finalized_at, jobs.c.id) < (after.at, after.id))


def count_results(wanted: ResultFilter, *, now: datetime, limit: int) -> Select[Any]:
    """The number of these results, at most `limit`."""
    some = select(jobs.c.id).where(*_available(now), *_of_results(wanted)).limit(limit).subquery()
    return select(func.count()).select_from(some)


def events(*, after: int, limit: int) -> Select[Any]:
    """Log entries with a higher id, with slot and source of their jobs, and whether an attempt came after the end."""
    end = processing_logs.alias("ends")
    ended = exists().where(
        end.c.job_id == processing_logs.c.job_id, end.c.id < processing_logs.c.id, end.c.event == LogEvent.FINALIZED
    )
    after_end = case((processing_logs.c.event == LogEvent.ATTEMPT, ended), else_=false())
    return (
        select(processing_logs, jobs.c.slot_id, jobs.c.source, after_end.label("after_end"))
        .join_from(processing_logs, jobs, jobs.c.id == processing_logs.c.job_id)
        .where(processing_logs.c.id > after)
        .order_by(processing_logs.c.id)
        .limit(limit)
    )


def _available(now: datetime) -> list[ColumnElement[bool]]:
    """Conditions of a job whose result is available."""
    return [
        jobs.c.finalized_at.is_not(None),
        jobs.c.result_stem.is_not(None),
        jobs.c.result_purged_at.is_(None),
        jobs.c.result_expires_at > now,
        jobs.c.erased_at.is_(None),
    ]


def _of_results(wanted: ResultFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.slot_ids:
        found.append(jobs.c.slot_id.in_([*wanted.slot_ids]))
    if wanted.job_ids:
        found.append(jobs.c.id == func.any(bindparam("job_ids", [*wanted.job_ids])))
    if wanted.sources:
        found.append(jobs.c.source.in_([*wanted.sources]))
    if wanted.visibility is not None:
        hidden = wanted.visibility is Visibility.HIDDEN
        found.append(jobs.c.hidden_at.is_not(None) if hidden else jobs.c.hidden_at.is_(None))
    if wanted.ended_from is not None:
        found.append(jobs.c.finalized_at >= wanted.ended_from)
    if wanted.ended_to is not None:
        found.append(jobs.c.finalized_at < wanted.ended_to)
    return found


def _conditions(filter: JobFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    states = {*filter.states}
    if states:
        found.append(jobs.c.state.in_([*states]))
        if states <= _LIVE:
            found.append(jobs.c.finalized_at.is_(None))
        elif not states & _LIVE:
            found.append(jobs.c.finalized_at.is_not(None))
        if states <= _WITH_REASON:
            found.append(jobs.c.failure_reason.is_not(None))
    if filter.slot_id is not None:
        found.append(jobs.c.slot_id == filter.slot_id)
    if filter.failure_reason is not None:
        found += [jobs.c.failure_reason == filter.failure_reason, jobs.c.failure_reason.is_not(None)]
    if filter.source is not None:
        found.append(jobs.c.source == filter.source)
        if filter.source is JobSource.TEST:
            found.append(jobs.c.source == literal_column("'test'"))
    if filter.result is JobResult.NONE:
        found += [jobs.c.finalized_at.is_not(None), jobs.c.result_stem.is_(None)]
    elif filter.result is not None:
        fallback = func.coalesce(jobs.c.result["fallback"].as_boolean(), false())
        wanted = fallback if filter.result is JobResult.FALLBACK else not_(fallback)
        found += [jobs.c.result_stem.is_not(None), wanted]
    if filter.created_from is not None:
        found.append(jobs.c.created_at >= filter.created_from)
    if filter.created_to is not None:
        found.append(jobs.c.created_at < filter.created_to)
    return found
