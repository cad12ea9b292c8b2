"""When an entry that failed is called again: quickly at first, then spread over the window."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from photochanger.core.domain.routing.provider_usage import LatencyPercentiles
from photochanger.core.domain.routing.route_policy import MAX_CALLS, Budget, EntryProgress, choose, retry_at

SECOND = timedelta(seconds=1)
START = timedelta(hours=7)
FRESH = EntryProgress()


def known(seconds: float) -> EntryProgress:
    milliseconds = round(seconds * 1000)
    return EntryProgress(pace=LatencyPercentiles(milliseconds, milliseconds, milliseconds, 20))


def calls(*entries: EntryProgress, window: float, takes: float = 0.0, chance: float = 1.0) -> list[tuple[int, float]]:
    """The calls of a route whose calls all fail after `takes` seconds: (entry, seconds since the start)."""
    progress, made = list(entries), list[tuple[int, float]]()
    now, end = START, START + window * SECOND
    while (choice := choose(progress, Budget(now, end, window * SECOND))) is not None:
        made.append((choice.index, (choice.at - START).total_seconds()))
        now = choice.at + takes * SECOND
        entry = msgspec.structs.replace(progress[choice.index], calls=progress[choice.index].calls + 1)
        progress[choice.index] = entry
        again = retry_at(choice.index, progress, Budget(now, end, window * SECOND), chance)
        progress[choice.index] = msgspec.structs.replace(entry, ready_at=again)
    return made


@pytest.mark.parametrize("away", [1, 5, 10, 20, 30])
@pytest.mark.parametrize("chance", [0.0, 0.5, 1.0])
def test_a_provider_that_is_back_in_time_for_a_call_is_called_in_time(away: float, chance: float) -> None:
    assert any(away <= at <= 42 for _, at in calls(FRESH, window=48, chance=chance))


def test_the_last_call_leaves_the_usual_latency() -> None:
    assert calls(known(10), window=48)[-1] == (0, 38.0)
    assert calls(known(30), window=48)[-1] == (0, 18.0)


def test_a_fallback_is_called_in_the_middle_of_the_window_at_the_latest() -> None:
    made = calls(FRESH, FRESH, window=48)
    first_of_fallback = next(at for index, at in made if index == 1)
    assert sum(index == 0 for index, _ in made) == MAX_CALLS
    assert first_of_fallback == pytest.approx(24, abs=0.1)


def test_retries_stop_in_time_for_a_fallback_whose_latency_is_known() -> None:
    made = calls(FRESH, known(8), window=10)
    assert next(at for index, at in made if index == 1) <= 2


@given(
    paces=st.lists(st.none() | st.floats(0.1, 60), min_size=1, max_size=4),
    window=st.floats(1, 60),
    takes=st.floats(0, 20),
    chance=st.floats(0, 1),
)
def test_no_entry_is_called_more_than_five_times_nor_after_the_window(
    paces: list[float | None], window: float, takes: float, chance: float
) -> None:
    entries = [FRESH if pace is None else known(pace) for pace in paces]
    made = calls(*entries, window=window, takes=takes, chance=chance)
    assert all(at < window for _, at in made)
    assert all(sum(index == each for index, _ in made) <= MAX_CALLS for each in range(len(entries)))
