"""The schedule of the live jobs: when a place is free, by pure arithmetic."""

from __future__ import annotations

from typing import Any

import pytest
from photochanger.core.domain.routing.capacity import (
    ProviderCapacity,
    QueuedJob,
    QueueLoad,
    Schedule,
    Workers,
    is_hopeless,
)

CLOUD, OTHER, LOCAL = ("cloud", "edit"), ("other", "edit"), ("local", "frame")
WINDOW = 48.0
NOW = 1000.0
PROVIDERS = {
    "cloud": ProviderCapacity(durations_ms={"edit": (10_000,) * 8}),
    "other": ProviderCapacity(durations_ms={"edit": (4_000,) * 8}),
    "local": ProviderCapacity(local=True),
}


def schedule(*jobs: QueuedJob, workers: int = 2, live: int | None = None, **providers: ProviderCapacity) -> Schedule:
    load = QueueLoad(jobs, len(jobs) if live is None else live)
    return Schedule(load, workers=Workers(workers, 2), providers=PROVIDERS | providers, at=NOW)


def running(seconds: float, *entries: tuple[str, str]) -> QueuedJob:
    return QueuedJob(entries or (CLOUD,), WINDOW, WINDOW - seconds, seconds)


def waiting(*entries: tuple[str, str], left: float = WINDOW) -> QueuedJob:
    return QueuedJob(entries or (CLOUD,), WINDOW, left)


def start_of(made: Schedule, *entries: tuple[str, str]) -> float | None:
    """After how many seconds a new job begins; None where it has no place."""
    place = made.place(entries or (CLOUD,), window=WINDOW, now=NOW, until=NOW + WINDOW)
    return None if place is None else place.start - NOW


def test_a_free_worker_begins_at_once() -> None:
    assert start_of(schedule()) == 0
    assert start_of(schedule(running(2))) == 0


def test_a_job_waits_for_the_worker_that_is_free_first() -> None:
    assert start_of(schedule(running(2), running(7))) == 3
    assert start_of(schedule(running(2), running(7), waiting())) == 8
    assert start_of(schedule(running(2), running(7), waiting(), waiting(OTHER))) == 12


def test_a_call_that_takes_longer_than_usual_keeps_its_worker_for_a_while() -> None:
    assert start_of(schedule(running(12), workers=1)) == pytest.approx(12 * 0.25)


def test_a_photo_without_a_place_learns_when_there_is_one() -> None:
    full = schedule(*[waiting()] * 8)
    assert start_of(full) is None
    wait = full.wait_for_place((CLOUD,), window=WINDOW, now=NOW)
    assert 0 < wait < 10
    assert full.place((CLOUD,), window=WINDOW, now=NOW + wait, until=NOW + wait + WINDOW + 1e-6) is not None


def test_a_job_that_cannot_succeed_any_more_takes_no_time() -> None:
    assert start_of(schedule(running(2), waiting(left=12), workers=1)) == 8


def test_a_limit_on_concurrent_calls_counts() -> None:
    limited = ProviderCapacity(permits=1, durations_ms={"edit": (10_000,) * 8})
    made = schedule(running(2), waiting(), workers=8, cloud=limited)
    assert start_of(made) == 18
    assert start_of(made, OTHER) == 0


def test_a_limit_on_calls_per_minute_counts() -> None:
    limited = ProviderCapacity(per_minute=6, calls_last_minute=6, durations_ms={"edit": (10_000,) * 8})
    assert start_of(schedule(workers=8, cloud=limited)) == 10
    assert start_of(schedule(waiting(), workers=8, cloud=limited)) == 20


def test_a_fallback_that_is_free_has_the_place() -> None:
    made = schedule(*[waiting()] * 8)
    place = made.place((CLOUD, LOCAL), window=WINDOW, now=NOW, until=NOW + WINDOW)
    assert place is not None
    assert (place.index, place.start) == (1, NOW)


def test_a_first_entry_leaves_its_fallback_the_time_that_it_needs() -> None:
    made = schedule(running(2), *[waiting()] * 3, workers=1)  # free after 38 s, or 28 s before the end of that
    assert start_of(made) is None
    assert start_of(schedule(running(2), *[waiting()] * 2, workers=1), CLOUD) == 28
    place = schedule(running(2), *[waiting()] * 2, workers=1).place(
        (CLOUD, LOCAL), window=WINDOW, now=NOW, until=NOW + 45
    )
    assert place is not None
    assert place.index == 1


def test_a_whole_window_is_always_tried() -> None:
    slow = ProviderCapacity(durations_ms={"edit": (100_000,) * 8})
    assert start_of(schedule(cloud=slow)) == 0
    assert start_of(schedule(running(1), cloud=slow, workers=1)) is None


def test_without_workers_or_with_jobs_that_were_not_read_it_cannot_tell() -> None:
    assert schedule().is_measurable
    assert not schedule(workers=0).is_measurable
    assert not schedule(live=5).is_measurable


def test_what_is_unknown_is_as_long_as_the_longest_running_call() -> None:
    unknown: dict[str, Any] = {"cloud": ProviderCapacity()}
    assert schedule(**unknown).usual(CLOUD).careful == 0
    assert schedule(running(3), running(7), **unknown).usual(CLOUD).careful == 7


def test_the_end_of_the_next_job() -> None:
    made = schedule(running(2), running(7))
    assert made.live(NOW) == 2
    assert made.wait_for_end(now=NOW) == 3
    assert made.wait_for_end(now=NOW, count=2) == 8
    assert made.live(NOW + 4) == 1


def test_hopeless_is_what_no_entry_can_finish() -> None:
    needs = {CLOUD: 10.0, OTHER: 4.0}
    assert is_hopeless([CLOUD], needs, left=10, window=WINDOW)
    assert not is_hopeless([CLOUD], needs, left=11, window=WINDOW)
    assert not is_hopeless([CLOUD, OTHER], needs, left=10, window=WINDOW)
    assert not is_hopeless([CLOUD, LOCAL], needs, left=1, window=WINDOW)
    assert not is_hopeless([], needs, left=1, window=WINDOW)
