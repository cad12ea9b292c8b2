"""Which entry is tried next, and how long it may take: the policy alone, without anybody being asked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from photochanger.core.domain.provider_usage import LatencyPercentiles
from photochanger.core.domain.route_policy import (
    MAX_CALLS,
    Budget,
    Choice,
    EntryProgress,
    choose,
    cut_at,
    hedge_after,
)

START = datetime(2026, 6, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
WINDOW = 48 * SECOND
FRESH = EntryProgress()


def budget(*, passed: float = 0) -> Budget:
    return Budget(START + passed * SECOND, START + WINDOW, WINDOW)


def pace(seconds: float) -> LatencyPercentiles:
    return LatencyPercentiles(round(seconds * 500), round(seconds * 750), round(seconds * 1000), 20)


def at(seconds: float) -> datetime:
    return START + seconds * SECOND


def test_the_first_entry_comes_first() -> None:
    assert choose([FRESH, FRESH], [None, None], budget()) == Choice(0, START)


def test_an_entry_that_waits_for_its_retry_is_waited_for() -> None:
    waiting = EntryProgress(calls=1, ready_at=at(7))
    assert choose([waiting, FRESH], [None, None], budget()) == Choice(0, at(7))


def test_a_wait_longer_than_what_is_left_means_the_next_entry() -> None:
    waiting = EntryProgress(calls=1, ready_at=at(48))
    assert choose([waiting, FRESH], [None, None], budget()) == Choice(1, START)
    assert choose([waiting], [None], budget()) is None


def test_what_is_over_busy_or_was_asked_often_enough_is_not_asked() -> None:
    for entry in (EntryProgress(over=True), EntryProgress(busy=True), EntryProgress(calls=MAX_CALLS)):
        assert choose([entry, FRESH], [None, None], budget()) == Choice(1, START)
        assert choose([entry], [None], budget()) is None


def test_a_deferred_entry_comes_after_all_others_and_is_come_back_to() -> None:
    deferred = EntryProgress(calls=1, ready_at=at(4), deferred=True)
    assert choose([deferred, FRESH], [None, None], budget()) == Choice(1, START)
    assert choose([deferred, EntryProgress(over=True)], [None, None], budget()) == Choice(0, at(4))


def test_no_attempt_starts_whose_usual_duration_exceeds_what_is_left_while_another_could_make_it() -> None:
    assert choose([FRESH, FRESH], [pace(20), pace(5)], budget(passed=29)) == Choice(1, at(29))
    assert choose([FRESH, FRESH], [pace(20), pace(5)], budget(passed=22)) == Choice(0, at(22))


def test_the_slow_entry_is_tried_all_the_same_where_no_other_could_make_it() -> None:
    assert choose([FRESH], [pace(20)], budget(passed=40)) == Choice(0, at(40))
    assert choose([FRESH, FRESH], [pace(20), pace(15)], budget(passed=40)) == Choice(0, at(40))


def test_the_time_that_a_fallback_needs_is_not_taken_from_it() -> None:
    assert choose([FRESH, FRESH], [None, pace(10)], budget(passed=37)) == Choice(0, at(37))
    assert choose([FRESH, FRESH], [None, pace(10)], budget(passed=38)) == Choice(1, at(38))
    assert choose([FRESH, FRESH], [None, None], budget(passed=42)) == Choice(1, at(42))


def test_a_fallback_is_not_put_off_for_an_entry_before_it() -> None:
    again = EntryProgress(calls=1, ready_at=at(46), deferred=True)
    assert choose([again, FRESH], [pace(1), None], budget(passed=45)) == Choice(1, at(45))


def test_a_crowded_entry_is_left_in_time_although_nobody_knows_its_pace() -> None:
    crowded = EntryProgress(ready_at=at(30.25), crowded=True)
    assert choose([crowded, FRESH], [None, None], budget(passed=30)) == Choice(0, at(30.25))
    crowded = EntryProgress(ready_at=at(36.25), crowded=True)
    assert choose([crowded, FRESH], [None, None], budget(passed=36)) == Choice(1, at(36))


def test_a_call_without_fallback_may_take_all_that_is_left() -> None:
    assert cut_at(0, [EntryProgress(calls=1, busy=True)], [None], budget()) == at(48)


def test_a_call_leaves_its_fallback_the_time_it_needs() -> None:
    asked = EntryProgress(calls=1, busy=True)
    assert cut_at(0, [asked, FRESH], [None, pace(10)], budget()) == at(38)
    assert cut_at(0, [asked, FRESH], [None, None], budget()) == at(42)
    assert cut_at(0, [asked, FRESH, FRESH], [None, pace(20), pace(2)], budget()) == at(46)
    assert cut_at(0, [asked, EntryProgress(over=True)], [None, pace(10)], budget()) == at(48)


def test_a_last_entry_leaves_nothing_to_those_before_it() -> None:
    assert cut_at(1, [FRESH, EntryProgress(calls=1, busy=True)], [pace(5), None], budget(passed=30)) == at(48)


def test_a_call_far_beyond_its_usual_duration_is_given_up_while_another_can_be_made() -> None:
    asked = EntryProgress(calls=1, busy=True)
    assert cut_at(0, [asked], [pace(5)], budget()) == at(20)
    assert cut_at(0, [asked], [pace(0.1)], budget()) == at(5)
    assert cut_at(0, [asked], [pace(12)], budget()) == at(48)  # no time for another one
    assert cut_at(0, [EntryProgress(calls=MAX_CALLS, busy=True)], [pace(5)], budget()) == at(48)


def test_a_hedge_starts_after_three_of_four_calls_would_be_done() -> None:
    assert hedge_after(pace(8), WINDOW) == 6 * SECOND
    assert hedge_after(None, WINDOW) == 12 * SECOND


_progress = st.builds(
    EntryProgress,
    calls=st.integers(0, MAX_CALLS),
    ready_at=st.none() | st.floats(0, 60).map(at),
    deferred=st.booleans(),
    busy=st.booleans(),
    over=st.booleans(),
    crowded=st.booleans(),
)
_pace = st.none() | st.floats(0.1, 60).map(pace)


@given(st.lists(st.tuples(_progress, _pace), max_size=5), st.floats(0, 47.9))
def test_there_is_a_choice_exactly_while_an_entry_can_be_asked_in_time(
    route: list[tuple[EntryProgress, LatencyPercentiles | None]], passed: float
) -> None:
    entries, paces = [entry for entry, _ in route], [pace for _, pace in route]
    left = budget(passed=passed)
    askable = {
        index
        for index, entry in enumerate(entries)
        if not entry.over
        and not entry.busy
        and entry.calls < MAX_CALLS
        and (entry.ready_at is None or max(entry.ready_at, left.now) < left.ends_at)
    }
    choice = choose(entries, paces, left)
    assert (choice is not None) == bool(askable)
    if choice is not None:
        assert choice.index in askable
        assert left.now <= choice.at < left.ends_at
        assert choice.at < cut_at(choice.index, entries, paces, Budget(choice.at, left.ends_at, WINDOW)) <= left.ends_at
