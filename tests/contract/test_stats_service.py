"""The StatsService contract: each job counts once, in the period it ended in, by how it ended and how long it took."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import msgspec
import pytest
from photochanger.core.domain.accounts import Actor
from photochanger.core.domain.audit import AuditAction, AuditEntry, audit_entry
from photochanger.core.domain.job import FailureReason, Job, JobSource, JobState
from photochanger.core.domain.pagination import JobFilter, JobOrder
from photochanger.core.domain.slots.slot import shipped_slots
from photochanger.core.domain.stats.summary import NO_BUCKET, StatsCell, StatsOutcome, bucket_of

from tests.support.builders import expired_job, new_job, outcome_failed, outcome_succeeded

pytestmark = pytest.mark.anyio

Settle = Callable[[SimpleNamespace], Awaitable[None]]

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
THREE = datetime(2026, 5, 1, 3, tzinfo=UTC)
SUCCESS = StatsOutcome.SUCCESS
LATER = datetime(2100, 1, 1, tzinfo=UTC)


async def end(
    backend: SimpleNamespace,
    finalized_at: datetime,
    *,
    slot_id: str = "slot-001",
    took: timedelta = timedelta(seconds=2),
    **overrides: object,
) -> None:
    new = new_job(slot_id=slot_id, source=overrides.pop("source", JobSource.INGEST), created_at=finalized_at - took)
    job = await backend.queue.enqueue(new, max_active=1000)
    outcome = outcome_succeeded(job, finalized_at=finalized_at, **overrides)
    assert await backend.queue.mark_finalized(job.id, outcome, claim=None)


async def fail(backend: SimpleNamespace, reason: FailureReason, finalized_at: datetime, **overrides: object) -> None:
    job = await backend.queue.enqueue(new_job(), max_active=1000)
    outcome = outcome_failed(job, state=JobState.FAILED, failure_reason=reason, finalized_at=finalized_at, **overrides)
    assert await backend.queue.mark_finalized(job.id, outcome, claim=None)


async def answered_by_fallback(backend: SimpleNamespace, finalized_at: datetime) -> None:
    """A job whose route failed, and whose slot answered with a picture of its own."""
    job = await backend.queue.enqueue(new_job(), max_active=1000)
    picture = outcome_succeeded(job, finalized_at=finalized_at).result
    assert picture is not None
    outcome = outcome_failed(
        job, finalized_at=finalized_at, result=msgspec.structs.replace(picture, fallback=True), provider_id="gemini"
    )
    assert await backend.queue.mark_finalized(job.id, outcome, claim=None)


async def reset(backend: SimpleNamespace, at: datetime, slot_id: str = "slot-001") -> None:
    await backend.slots.add_missing(shipped_slots())
    entry: AuditEntry = audit_entry(AuditAction.STATS_RESET, Actor("ada", None), now=at, target=slot_id)
    await backend.slots.reset_stats(slot_id, at=at, audit=entry)


async def outcomes(backend: SimpleNamespace, start: datetime, end: datetime, **filters: object) -> dict[str, int]:
    """The counts between two moments by outcome."""
    counts: Counter[str] = Counter()
    for cell in await backend.stats.cells([start, end], **filters):
        counts[cell.outcome] += cell.count
    return dict(counts)


async def fold(backend: SimpleNamespace) -> None:
    await backend.stats.fold(before=LATER, limit=10_000)


@pytest.fixture(params=["noted", "folded"])
def settle(request: pytest.FixtureRequest) -> Settle:
    """Either nothing, or what makes sums of what was noted: no figure may differ."""

    async def leave(backend: SimpleNamespace) -> None:
        """What was noted stays noted."""

    return fold if request.param == "folded" else leave


async def test_without_ended_jobs_there_are_no_counts(backend: SimpleNamespace) -> None:
    await backend.queue.enqueue(new_job(), max_active=10)
    assert await backend.stats.cells([THREE, LATER]) == []


async def test_every_outcome_is_counted_under_its_name(backend: SimpleNamespace, settle: Settle) -> None:
    for reason in FailureReason:
        await fail(backend, reason, THREE)
    await end(backend, THREE)
    await answered_by_fallback(backend, THREE)
    await settle(backend)
    expected = {"success": 1, "fallback": 1, "timeouts": 1, "provider_errors": 1, "cancelled": 1, "errors": 2}
    assert await outcomes(backend, THREE, THREE + HOUR) == expected
    assert await outcomes(backend, THREE, THREE + HOUR, slot_id="slot-001") == expected


async def test_slots_and_providers_are_counted_apart(backend: SimpleNamespace, settle: Settle) -> None:
    await end(backend, THREE, provider_id="gemini")
    await end(backend, THREE, slot_id="slot-002")
    await end(backend, THREE, slot_id="slot-002", provider_id="gemini")
    await fail(backend, FailureReason.TIMEOUT, THREE)
    await settle(backend)
    assert await outcomes(backend, THREE, LATER) == {"success": 3, "timeouts": 1}
    assert await outcomes(backend, THREE, LATER, slot_id="slot-002") == {"success": 2}
    assert await outcomes(backend, THREE, LATER, provider_id="gemini") == {"success": 2}
    assert await outcomes(backend, THREE, LATER, slot_id="slot-002", provider_id="gemini") == {"success": 1}
    assert await outcomes(backend, THREE, LATER, provider_id="") == {"timeouts": 1}


async def test_a_latency_is_counted_in_its_bucket_and_only_of_pictures(
    backend: SimpleNamespace, settle: Settle
) -> None:
    for took in (timedelta(0), timedelta(seconds=2), timedelta(seconds=2), timedelta(hours=3)):
        await end(backend, THREE, took=took)
    await fail(backend, FailureReason.TIMEOUT, THREE)
    await settle(backend)
    cells = await backend.stats.cells([THREE, LATER])
    assert sorted((cell.bucket, cell.outcome, cell.count) for cell in cells) == [
        (NO_BUCKET, StatsOutcome.TIMEOUTS, 1),
        (0, SUCCESS, 1),
        (bucket_of(timedelta(seconds=2)), SUCCESS, 2),
        (60, SUCCESS, 1),
    ]


async def test_a_period_begins_with_its_first_moment_and_ends_before_the_next(
    backend: SimpleNamespace, settle: Settle
) -> None:
    for minutes in (-1, 0, 14, 15, 59, 60, 119, 120):
        await end(backend, THREE + minutes * MINUTE)
    await settle(backend)
    for filters in ({}, {"slot_id": "slot-001"}):
        for bounds, expected in (
            ((-60, 0, 60, 120, 180), [1, 4, 2, 1]),
            ((0, 15, 60), [2, 2]),
            ((15, 45, 105), [1, 2]),
            ((-15, 15, 180), [3, 5]),
        ):
            cells = await backend.stats.cells([THREE + minutes * MINUTE for minutes in bounds], **filters)
            assert [sum(c.count for c in cells if c.period == n) for n in range(len(bounds) - 1)] == expected, bounds


async def test_test_runs_do_not_count(backend: SimpleNamespace, settle: Settle) -> None:
    await end(backend, THREE, source=JobSource.TEST)
    await backend.queue.enqueue(expired_job(source=JobSource.TEST), max_active=10)
    await backend.queue.release_expired(limit=10)
    await settle(backend)
    assert await backend.stats.cells([THREE, LATER]) == []


async def test_a_finalize_that_came_too_late_does_not_count(backend: SimpleNamespace) -> None:
    job = await backend.queue.enqueue(new_job(), max_active=10)
    assert await backend.queue.mark_finalized(job.id, outcome_failed(job, finalized_at=THREE), claim=None)
    assert not await backend.queue.mark_finalized(job.id, outcome_succeeded(job, finalized_at=THREE), claim=None)
    assert await outcomes(backend, THREE, THREE + HOUR) == {"provider_errors": 1}


async def test_jobs_that_are_ended_at_their_deadline_count_as_timeouts(backend: SimpleNamespace) -> None:
    for _ in range(3):
        await backend.queue.enqueue(expired_job(), max_active=10)
    await backend.queue.release_expired(limit=10)
    assert await backend.stats.cells([THREE, LATER]) == [StatsCell(0, "", StatsOutcome.TIMEOUTS, NO_BUCKET, 3)]


async def test_a_mark_in_the_middle_of_a_quarter_parts_what_ended_before_it(
    backend: SimpleNamespace, settle: Settle
) -> None:
    mark = THREE + 5 * MINUTE
    for moment in (THREE, mark - timedelta(microseconds=1), mark, mark + MINUTE, mark + HOUR):
        await end(backend, moment)
    await end(backend, THREE, slot_id="slot-002")
    await reset(backend, mark)
    await settle(backend)
    assert await outcomes(backend, THREE, LATER, slot_id="slot-001", since=mark) == {"success": 3}
    assert await outcomes(backend, THREE, LATER, slot_id="slot-001") == {"success": 5}
    assert await outcomes(backend, THREE, LATER) == {"success": 6}


async def test_a_second_mark_in_the_same_quarter_is_exact_as_well(backend: SimpleNamespace) -> None:
    first, second = THREE + 5 * MINUTE, THREE + 10 * MINUTE
    await reset(backend, first)
    for minutes in (4, 6, 7):
        await end(backend, THREE + minutes * MINUTE)
    await fold(backend)
    await reset(backend, second)
    for minutes in (8, 9, 11, 12):
        await end(backend, THREE + minutes * MINUTE)
    await fold(backend)
    assert await outcomes(backend, THREE, LATER, slot_id="slot-001", since=second) == {"success": 2}
    assert await outcomes(backend, THREE, LATER, slot_id="slot-001") == {"success": 7}


async def test_what_ended_lately_is_left_to_a_later_fold(backend: SimpleNamespace) -> None:
    await end(backend, THREE)
    await end(backend, THREE + HOUR)
    await backend.stats.fold(before=THREE + MINUTE, limit=10)
    assert await outcomes(backend, THREE, LATER) == {"success": 2}
    assert await backend.stats.fold(before=THREE + MINUTE, limit=10) == 0


async def test_rebuilding_changes_nothing(backend: SimpleNamespace) -> None:
    await reset(backend, THREE + 5 * MINUTE)
    for minutes in (0, 6, 30, 90):
        await end(backend, THREE + minutes * MINUTE)
        await fail(backend, FailureReason.STORAGE_ERROR, THREE + minutes * MINUTE, provider_id="gemini")
    await answered_by_fallback(backend, THREE + 30 * MINUTE)
    await end(backend, THREE, source=JobSource.TEST)
    bounds = [THREE, THREE + 15 * MINUTE, THREE + 75 * MINUTE, LATER]
    before = await _cells(backend, bounds)
    await backend.stats.fold(before=THREE + HOUR, limit=10)
    for settled in (THREE, THREE + 45 * MINUTE, LATER):
        assert await backend.stats.rebuild(before=settled) == 9
        assert await _cells(backend, bounds) == before


async def test_what_is_pruned_stays_counted(backend: SimpleNamespace) -> None:
    for hours in (0, 1, 2):
        await fail(backend, FailureReason.TIMEOUT, THREE + hours * HOUR)
    await fold(backend)
    assert await backend.jobs.prune(before=THREE + HOUR, limit=10) == 1
    assert await backend.stats.rebuild(before=LATER) == 2
    assert await backend.jobs.prune(before=THREE + 2 * HOUR, limit=10) == 1
    assert await backend.jobs.prune(before=THREE + HOUR, limit=10) == 0
    assert await backend.stats.rebuild(before=LATER) == 1
    assert await outcomes(backend, THREE, LATER) == {"timeouts": 3}
    assert await outcomes(backend, THREE, LATER, slot_id="slot-001") == {"timeouts": 3}


async def _cells(backend: SimpleNamespace, bounds: list[datetime]) -> list[object]:
    cells = [sorted(await backend.stats.cells(bounds, **f), key=repr) for f in ({}, {"slot_id": "slot-001"})]
    since = await backend.stats.cells(bounds, slot_id="slot-001", since=THREE + 5 * MINUTE)
    return [*cells, sorted(since, key=repr)]


async def by_slot(backend: SimpleNamespace, start: datetime, end: datetime, **filters: object) -> dict[str, int]:
    """How many jobs of each slot are counted between two moments."""
    found = await backend.stats.cells_by_slot([start, end], **filters)
    assert {cell.period for cells in found.values() for cell in cells} <= {0}
    return {slot_id: sum(cell.count for cell in cells) for slot_id, cells in found.items()}


async def test_slots_are_counted_separately_over_days_and_pieces_of_days(
    backend: SimpleNamespace, settle: Settle
) -> None:
    midnight = THREE.replace(hour=0)
    for hours in (-25, -24, -1, 0, 23, 24, 71, 72):
        await end(backend, midnight + hours * HOUR, provider_id="gemini")
    await end(backend, midnight + 30 * MINUTE, slot_id="slot-002")
    await fail(backend, FailureReason.TIMEOUT, midnight + 24 * HOUR)
    await settle(backend)
    assert await by_slot(backend, THREE - 99 * HOUR, LATER) == {"slot-001": 9, "slot-002": 1}
    for hours, expected in (((0, 24), 2), ((-24, 72), 7), ((-25, 71), 7), ((-1, 25), 5), ((1, 23), 0), ((24, 24), 0)):
        start, stop = (midnight + hour * HOUR for hour in hours)
        assert (await by_slot(backend, start, stop)).get("slot-001", 0) == expected, hours
    whole = {"start": THREE - 99 * HOUR, "end": LATER}
    assert await by_slot(backend, **whole, provider_id="gemini") == {"slot-001": 8}
    found = await backend.stats.cells_by_slot([*whole.values()])
    assert sorted((cell.outcome, cell.bucket, cell.count) for cell in found["slot-001"]) == [
        (SUCCESS, bucket_of(timedelta(seconds=2)), 8),
        (StatsOutcome.TIMEOUTS, NO_BUCKET, 1),
    ]


async def test_slots_are_counted_separately_in_each_period(backend: SimpleNamespace, settle: Settle) -> None:
    for minutes in (-1, 0, 59, 60, 25 * 60, 26 * 60):
        await end(backend, THREE + minutes * MINUTE)
    await end(backend, THREE + 61 * MINUTE, slot_id="slot-002", provider_id="gemini")
    await fail(backend, FailureReason.TIMEOUT, THREE + 61 * MINUTE)
    await settle(backend)
    bounds = [THREE, THREE + HOUR, THREE + 2 * HOUR, THREE + 26 * HOUR]

    async def counts(**filters: object) -> dict[str, list[tuple[int, str, int]]]:
        found = await backend.stats.cells_by_slot(bounds, **filters)
        return {
            slot_id: sorted((cell.period, str(cell.outcome), cell.count) for cell in cells)
            for slot_id, cells in found.items()
        }

    second = [(1, "success", 1)]
    assert await counts() == {
        "slot-001": [(0, "success", 2), (1, "success", 1), (1, "timeouts", 1), (2, "success", 1)],
        "slot-002": second,
    }
    assert await counts(provider_id="gemini") == {"slot-002": second}


async def test_slots_are_counted_separately_over_weeks(backend: SimpleNamespace, settle: Settle) -> None:
    monday = datetime(2026, 5, 4, tzinfo=UTC)
    for day in (-1, 0, 3, 6, 7, 13, 14):
        await end(backend, monday + day * 24 * HOUR)
    await settle(backend)
    for days, expected in (((0, 7), 3), ((0, 14), 5), ((-1, 14), 6), ((-1, 15), 7), ((1, 14), 4), ((1, 13), 3)):
        start, stop = (monday + day * 24 * HOUR for day in days)
        assert await by_slot(backend, start, stop) == {"slot-001": expected}, days


async def test_slots_are_counted_separately_from_their_marks_on(backend: SimpleNamespace, settle: Settle) -> None:
    mark = THREE + 7 * MINUTE
    await reset(backend, mark)
    for at in (THREE, mark - timedelta(microseconds=1), mark, mark + 40 * HOUR):
        await end(backend, at)
        await end(backend, at, slot_id="slot-002")
    await fail(backend, FailureReason.TIMEOUT, mark + HOUR)
    await settle(backend)
    whole = {"start": THREE - 99 * HOUR, "end": LATER}
    marked = await backend.stats.outcomes_by_slot(**whole, marks={"slot-001": mark})
    assert marked == {"slot-001": {SUCCESS: 2, StatsOutcome.TIMEOUTS: 1}, "slot-002": {SUCCESS: 4}}
    unmarked = await backend.stats.outcomes_by_slot(**whole, marks={})
    assert unmarked == {"slot-001": {SUCCESS: 4, StatsOutcome.TIMEOUTS: 1}, "slot-002": {SUCCESS: 4}}


async def test_rebuilding_changes_no_count_of_a_slot(backend: SimpleNamespace) -> None:
    for hours in (0, 5, 24, 30):
        await end(backend, THREE + hours * HOUR)
    await fold(backend)
    whole = {"start": THREE - 99 * HOUR, "end": LATER}
    await backend.guests.forget([job.id for job in await kept(backend)], now=LATER)
    assert await backend.jobs.prune(before=THREE + 3 * HOUR, limit=10) == 1
    await backend.stats.rebuild(before=LATER)
    await backend.stats.rebuild(before=THREE)
    assert await by_slot(backend, **whole) == {"slot-001": 4}
    await end(backend, THREE + 31 * HOUR)
    await fold(backend)
    assert await by_slot(backend, **whole) == {"slot-001": 5}


async def kept(backend: SimpleNamespace) -> list[Job]:
    return (await backend.jobs.find(JobFilter(), order=JobOrder.NEWEST, limit=100)).items
