"""How long calls usually take: what the last few of them say."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from photochanger.core.domain.routing.durations import REMEMBERED, UNKNOWN, usual_duration, with_cut_off, with_duration

SECOND = timedelta(seconds=1)


def after(*seconds: float) -> tuple[int, ...]:
    """The durations of pictures that took this long, one after the other."""
    known: tuple[int, ...] = ()
    for each in seconds:
        known = with_duration(known, each * SECOND)
    return known


def test_nothing_is_known_before_the_first_call() -> None:
    assert usual_duration(()) == UNKNOWN


def test_the_first_call_is_the_estimate() -> None:
    usual = usual_duration(after(10))
    assert (usual.typical, usual.mean, usual.careful, usual.need) == (10, 10, 10, 10)


def test_only_the_last_calls_count() -> None:
    assert len(after(*range(40))) == REMEMBERED


def test_one_slow_call_changes_little() -> None:
    usual = usual_duration(after(*[10] * 15, 40))
    assert (usual.typical, usual.careful) == (10, 10)


@pytest.mark.parametrize(("before", "now"), [(10, 30), (30, 10)])
def test_four_calls_that_agree_are_believed(before: float, now: float) -> None:
    usual = usual_duration(after(*[before] * 12, *[now] * 4))
    assert usual.typical == now
    assert usual.mean == now


def test_a_first_call_needs_the_careful_estimate_unless_durations_vary_widely() -> None:
    assert usual_duration(after(*[10, 11, 12, 13] * 4)).need == 13
    assert usual_duration(after(*[10] * 13, 40, 40, 40)).need == 15


def test_a_call_that_was_cut_off_counts_as_twice_what_it_had() -> None:
    assert with_cut_off(after(10), 12 * SECOND) == (10_000, 24_000)
    assert with_cut_off((), 12 * SECOND) == (24_000,)


def test_a_call_that_had_less_time_than_usual_says_nothing() -> None:
    assert with_cut_off(after(10), 9 * SECOND) == after(10)


@given(st.lists(st.integers(0, 100_000), min_size=1))
def test_the_estimates_lie_within_what_was_seen(durations_ms: list[int]) -> None:
    usual = usual_duration(durations_ms)
    last = durations_ms[-REMEMBERED:]
    for seconds in (usual.typical, usual.mean, usual.careful):
        assert min(last) - 1e-6 <= seconds * 1000 <= max(last) + 1e-6
