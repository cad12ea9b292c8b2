"""The window and time-to-live formulas."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from photochanger.core.domain import deadlines

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def test_a_deadline_is_the_window_after_creation() -> None:
    assert deadlines.expires_at(NOW, 48 * SECOND) == NOW + 48 * SECOND


@pytest.mark.parametrize("window", [timedelta(0), -SECOND])
def test_a_window_of_nothing_is_refused(window: timedelta) -> None:
    with pytest.raises(ValueError):
        deadlines.expires_at(NOW, window)


def test_a_result_is_kept_from_finalization_on() -> None:
    assert deadlines.result_expires_at(NOW, deadlines.DEFAULT_RESULT_RETENTION) == NOW + timedelta(hours=72)


def test_a_media_object_ends_with_its_link_or_with_its_job_whichever_is_sooner() -> None:
    assert deadlines.media_expires_at(NOW, 48 * SECOND, None) == NOW + 48 * SECOND
    assert deadlines.media_expires_at(NOW, 48 * SECOND, NOW + 5 * SECOND) == NOW + 5 * SECOND
    assert deadlines.media_expires_at(NOW, 48 * SECOND, NOW + 60 * SECOND) == NOW + 48 * SECOND


@pytest.mark.parametrize(("window", "reserve"), [(5, 1), (10, 2), (15, 3), (48, 3), (60, 3)])
def test_the_reserve_for_a_failure_answer_is_a_fifth_and_three_seconds_at_most(window: int, reserve: int) -> None:
    assert deadlines.fallback_reserve(window * SECOND) == reserve * SECOND
    assert deadlines.route_ends_at(NOW + window * SECOND, NOW) == NOW + (window - reserve) * SECOND


def test_what_is_left_is_never_negative() -> None:
    assert deadlines.remaining(NOW + SECOND, NOW) == SECOND
    assert deadlines.remaining(NOW, NOW + SECOND) == timedelta(0)


def test_a_lease_ends_inside_the_shortest_settable_window() -> None:
    assert deadlines.LEASE <= deadlines.MIN_SYNC_RESPONSE
    assert deadlines.ORPHAN_GRACE > deadlines.MAX_SYNC_RESPONSE
