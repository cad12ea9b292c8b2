"""Silence is counted only while its observer runs: a machine that stood still is no reason to kill a worker."""

from __future__ import annotations

from datetime import timedelta

from photochanger.entrypoints.silence import TICK, Silence

LONG = timedelta(minutes=5)


def observed(silence: Silence, start: timedelta, ticks: int) -> timedelta:
    """Look at every tick; the duration at the last one."""
    seen = timedelta(0)
    for n in range(1, ticks + 1):
        seen = silence.duration(start + n * TICK)
    return seen


def test_silence_lasts_from_the_last_sign_of_life() -> None:
    silence = Silence(timedelta(0))
    assert observed(silence, timedelta(0), 10) == 10 * TICK
    silence.broken(10 * TICK)
    assert observed(silence, 10 * TICK, 3) == 3 * TICK


def test_the_count_starts_again_when_the_observer_itself_stood_still() -> None:
    silence = Silence(timedelta(0))
    assert observed(silence, timedelta(0), 14) == 14 * TICK
    woken = 14 * TICK + LONG
    assert silence.duration(woken) == timedelta(0)
    assert observed(silence, woken, 14) == 14 * TICK


def test_an_observer_that_is_a_little_late_goes_on_counting() -> None:
    silence = Silence(timedelta(0))
    late = 2 * TICK
    for n in range(1, 8):
        assert silence.duration(n * late) == n * late


def test_a_sign_that_is_noted_after_a_stall_does_not_move_the_count_back() -> None:
    silence = Silence(timedelta(0))
    silence.duration(LONG)
    silence.broken(TICK)
    assert silence.duration(LONG + TICK) == TICK
