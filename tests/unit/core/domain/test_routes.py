"""Which entry is tried next, and how long it may take: the policy alone, without anybody being asked."""

from __future__ import annotations

from datetime import timedelta

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from photochanger.core.domain.routing.provider_usage import LatencyPercentiles
from photochanger.core.domain.routing.route_policy import (
    MAX_CALLS,
    Budget,
    Choice,
    EntryProgress,
    choose,
    give_up_at,
    hedge_after,
    latest_end,
)

START = timedelta(hours=7)
SECOND = timedelta(seconds=1)
WINDOW = 48 * SECOND
FRESH = EntryProgress()


def budget(*, passed: float = 0) -> Budget:
    return Budget(START + passed * SECOND, START + WINDOW, WINDOW)


def pace(seconds: float) -> LatencyPercentiles:
    return LatencyPercentiles(round(seconds * 500), round(seconds * 750), round(seconds * 1000), 20)


def known(entry: EntryProgress, seconds: float) -> EntryProgress:
    """The entry with a known pace."""
    return msgspec.structs.replace(entry, pace=pace(seconds))


def at(seconds: float) -> timedelta:
    return START + seconds * SECOND


def test_the_first_entry_comes_first() -> None:
    assert choose([FRESH, FRESH], budget()) == Choice(0, START)


def test_an_entry_that_waits_for_its_retry_is_waited_for() -> None:
    waiting = EntryProgress(calls=1, ready_at=at(7))
    assert choose([waiting, FRESH], budget()) == Choice(0, at(7))


def test_a_wait_longer_than_what_is_left_means_the_next_entry() -> None:
    waiting = EntryProgress(calls=1, ready_at=at(48))
    assert choose([waiting, FRESH], budget()) == Choice(1, START)
    assert choose([waiting], budget()) is None


def test_what_is_over_busy_or_was_asked_often_enough_is_not_asked() -> None:
    for entry in (EntryProgress(over=True), EntryProgress(busy=True), EntryProgress(calls=MAX_CALLS)):
        assert choose([entry, FRESH], budget()) == Choice(1, START)
        assert choose([entry], budget()) is None


def test_a_deferred_entry_comes_after_all_others_and_is_come_back_to() -> None:
    deferred = EntryProgress(calls=1, ready_at=at(4), deferred=True)
    assert choose([deferred, FRESH], budget()) == Choice(1, START)
    assert choose([deferred, EntryProgress(over=True)], budget()) == Choice(0, at(4))


def test_no_attempt_starts_whose_usual_duration_exceeds_what_is_left_while_another_could_make_it() -> None:
    assert choose([known(FRESH, 20), known(FRESH, 5)], budget(passed=29)) == Choice(1, at(29))
    assert choose([known(FRESH, 20), known(FRESH, 5)], budget(passed=22)) == Choice(0, at(22))


def test_the_slow_entry_is_tried_all_the_same_where_no_other_could_make_it() -> None:
    assert choose([known(FRESH, 20)], budget(passed=40)) == Choice(0, at(40))
    assert choose([known(FRESH, 20), known(FRESH, 15)], budget(passed=40)) == Choice(0, at(40))


def test_the_time_that_a_fallback_needs_is_not_taken_from_it() -> None:
    assert choose([FRESH, known(FRESH, 10)], budget(passed=37)) == Choice(0, at(37))
    assert choose([FRESH, known(FRESH, 10)], budget(passed=38)) == Choice(1, at(38))
    assert choose([FRESH, FRESH], budget(passed=42)) == Choice(1, at(42))


def test_a_fallback_is_not_put_off_for_an_entry_before_it() -> None:
    again = EntryProgress(calls=1, ready_at=at(46), deferred=True)
    assert choose([known(again, 1), FRESH], budget(passed=45)) == Choice(1, at(45))


def test_a_crowded_entry_is_left_in_time_although_nobody_knows_its_pace() -> None:
    crowded = EntryProgress(ready_at=at(30.25), crowded=True)
    assert choose([crowded, FRESH], budget(passed=30)) == Choice(0, at(30.25))
    crowded = EntryProgress(ready_at=at(36.25), crowded=True)
    assert choose([crowded, FRESH], budget(passed=36)) == Choice(1, at(36))


def test_a_call_without_fallback_may_take_all_that_is_left() -> None:
    assert give_up_at(0, [EntryProgress(calls=1, busy=True)], budget()) == at(48)


def test_a_call_leaves_its_fallback_the_time_it_needs() -> None:
    asked = EntryProgress(calls=1, busy=True)
    assert give_up_at(0, [asked, known(FRESH, 10)], budget()) == at(38)
    assert give_up_at(0, [asked, FRESH], budget()) == at(42)
    assert give_up_at(0, [asked, known(FRESH, 20), known(FRESH, 2)], budget()) == at(46)
    assert give_up_at(0, [asked, known(EntryProgress(over=True), 10)], budget()) == at(48)


def test_a_last_entry_leaves_nothing_to_those_before_it() -> None:
    assert give_up_at(1, [known(FRESH, 5), EntryProgress(calls=1, busy=True)], budget(passed=30)) == at(48)


def test_a_call_far_beyond_its_usual_duration_is_given_up_while_another_can_be_made() -> None:
    asked = EntryProgress(calls=1, busy=True)
    assert give_up_at(0, [known(asked, 5)], budget()) == at(20)
    assert give_up_at(0, [known(asked, 0.1)], budget()) == at(5)
    assert give_up_at(0, [known(asked, 12)], budget()) == at(48)  # no time for another one
    assert give_up_at(0, [known(EntryProgress(calls=MAX_CALLS, busy=True), 5)], budget()) == at(48)


def test_a_hedge_starts_after_three_of_four_calls_would_be_done() -> None:
    assert hedge_after(pace(8), WINDOW) == 6 * SECOND
    assert hedge_after(None, WINDOW) == 12 * SECOND


_entries = st.lists(
    st.builds(
        EntryProgress,
        calls=st.integers(0, MAX_CALLS),
        ready_at=st.none() | st.floats(0, 60).map(at),
        deferred=st.booleans(),
        busy=st.booleans(),
        over=st.booleans(),
        crowded=st.booleans(),
        pace=st.none() | st.floats(0.1, 60).map(pace),
    ),
    max_size=5,
)


@given(_entries, st.floats(0, 47.9))
def test_there_is_a_choice_exactly_while_an_entry_can_be_called_in_time(
    entries: list[EntryProgress], passed: float
) -> None:
    left = budget(passed=passed)
    callable_entries = {
        index
        for index, entry in enumerate(entries)
        if not entry.over
        and not entry.busy
        and entry.calls < MAX_CALLS
        and (entry.ready_at is None or max(entry.ready_at, left.now) < left.ends_at)
    }
    choice = choose(entries, left)
    assert (choice is not None) == bool(callable_entries)
    if choice is not None:
        assert choice.index in callable_entries
        assert left.now <= choice.at < left.ends_at
        then = Budget(choice.at, left.ends_at, WINDOW)
        assert choice.at < give_up_at(choice.index, entries, then) <= latest_end(choice.index, entries, then)
        assert latest_end(choice.index, entries, then) <= left.ends_at
