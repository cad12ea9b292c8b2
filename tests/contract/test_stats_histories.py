"""Random histories: after any folds, resets and rebuilds the counts are those of the jobs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from photochanger.core.domain.job import FailureReason, Job, JobSource, JobState
from photochanger.core.domain.slots.slot import shipped_slots
from photochanger.core.domain.stats.summary import StatsCell, ended_job

from tests.support.builders import new_job, outcome_failed, outcome_succeeded

pytestmark = pytest.mark.anyio

START = datetime(2026, 5, 1, tzinfo=UTC)
SPAN = timedelta(hours=3)
QUARTERS = [START + number * timedelta(minutes=15) for number in range(13)]
SLOTS = ("slot-001", "slot-002")


class End(msgspec.Struct, frozen=True):
    """A job ends."""

    slot_id: str
    at: timedelta
    took: timedelta
    source: JobSource
    provider_id: str | None
    reason: FailureReason | None
    fallback: bool


class Fold(msgspec.Struct, frozen=True):
    """What was noted until then is folded, a few at a time."""

    before: timedelta
    limit: int


class Reset(msgspec.Struct, frozen=True):
    """Reset the slot where the last job in time ended, or this much later."""

    slot_id: str
    after: timedelta


class Rebuild(msgspec.Struct, frozen=True):
    """Rebuild all counts."""

    before: timedelta


_moments = st.timedeltas(timedelta(0), SPAN - timedelta(microseconds=1))
_slots = st.sampled_from(SLOTS)
_ends = st.builds(
    End,
    _slots,
    _moments,
    st.timedeltas(timedelta(0), timedelta(minutes=3)),
    st.sampled_from(JobSource),
    st.sampled_from([None, "local", "gemini"]),
    st.none() | st.sampled_from(FailureReason),
    st.booleans(),
)
_others = (
    st.builds(Fold, _moments, st.integers(1, 20))
    | st.builds(Reset, _slots, st.timedeltas(timedelta(0), timedelta(minutes=5)))
    | st.builds(Rebuild, _moments)
)
_histories = st.lists(_ends | _others, max_size=25)


@settings(
    max_examples=25,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(history=_histories)
async def test_the_sums_are_those_of_the_jobs_before_and_after_rebuilding(
    backend: SimpleNamespace, history: Sequence[End | Fold | Reset | Rebuild]
) -> None:
    days = next(_DAYS)
    ended, marks = await live(backend, history, days=days)
    expected = await figures(backend, marks, days=days)
    assert expected == counted(ended, marks, days=days)
    await backend.stats.rebuild(before=START + days + SPAN)
    assert await figures(backend, marks, days=days) == expected
    await backend.stats.rebuild(before=START)
    assert await figures(backend, marks, days=days) == expected


async def live(
    backend: SimpleNamespace, history: Sequence[End | Fold | Reset | Rebuild], *, days: timedelta
) -> tuple[list[Job], dict[str, datetime]]:
    """Run the history on days of its own; the ended jobs, and the newest mark of each slot.

    As in life a job is not folded before marks older than its end are known: folds and rebuilds come up to the latest
    mark at most, or to the moment that they name, and marks only move on past what was folded.
    """
    await backend.slots.add_missing(shipped_slots())
    start = START + days
    jobs: list[Job] = []
    marks: dict[str, datetime] = {}
    folded = start
    for step in history:
        match step:
            case End():
                jobs.append(await end(backend, step, at=start + step.at))
            case Fold():
                folded = max(folded, start + step.before)
                await backend.stats.fold(before=start + step.before, limit=step.limit)
            case Rebuild():
                folded = max(folded, start + step.before)
                await backend.stats.rebuild(before=start + step.before)
            case Reset():
                marks[step.slot_id] = folded = max([folded, *marks.values()]) + step.after
                await backend.slots.reset_stats(step.slot_id, at=marks[step.slot_id])
    return jobs, marks


async def end(backend: SimpleNamespace, step: End, *, at: datetime) -> Job:
    new = new_job(slot_id=step.slot_id, source=step.source, created_at=at - step.took)
    job = await backend.queue.enqueue(new, max_active=1000)
    known: dict[str, Any] = {"finalized_at": at, "provider_id": step.provider_id}
    if step.reason is None:
        outcome = outcome_succeeded(job, **known)
    else:
        if step.fallback and (picture := outcome_succeeded(job, finalized_at=at).result) is not None:
            known["result"] = msgspec.structs.replace(picture, fallback=True)
        outcome = outcome_failed(job, state=JobState.FAILED, failure_reason=step.reason, **known)
    assert await backend.queue.mark_finalized(job.id, outcome, claim=None)
    kept: Job = await backend.jobs.get(job.id)
    return kept


async def figures(backend: SimpleNamespace, marks: dict[str, datetime], *, days: timedelta) -> list[set[StatsCell]]:
    """All slots together, each slot, and each slot since its mark."""
    bounds = [quarter + days for quarter in QUARTERS]
    asked: list[dict[str, Any]] = [{}, {"provider_id": "gemini"}]
    asked += [{"slot_id": slot_id} for slot_id in SLOTS]
    asked += [{"slot_id": slot_id, "since": marks.get(slot_id)} for slot_id in SLOTS]
    return [{*await backend.stats.cells(bounds, **filters)} for filters in asked]


def counted(jobs: list[Job], marks: dict[str, datetime], *, days: timedelta) -> list[set[StatsCell]]:
    """The same, counted one by one."""
    ended = [one for job in jobs if (one := ended_job(job)) is not None]
    kept = [[*ended], [one for one in ended if one.provider_id == "gemini"]]
    kept += [[one for one in ended if one.slot_id == slot_id] for slot_id in SLOTS]
    kept += [
        [one for one in ended if one.slot_id == slot_id and one.at >= marks.get(slot_id, START)] for slot_id in SLOTS
    ]
    return [
        {
            StatsCell(*key, count)
            for key, count in Counter(
                ((one.at - START - days) // timedelta(minutes=15), one.provider_id, one.outcome, one.bucket)
                for one in some
            ).items()
        }
        for some in kept
    ]


_DAYS = iter(timedelta(days=number) for number in range(100_000))
"""The database is one for all histories of a run, so each has a day of its own."""
