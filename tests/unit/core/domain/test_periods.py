"""Periods on the clocks of the world: days of 23, 24.5 and 25 hours, offsets of quarters, weeks from Monday."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from photochanger.core.domain.errors import InvalidRequest
from photochanger.core.domain.field_errors import FieldError, FieldErrorCode
from photochanger.core.domain.stats.time_ranges import Period, TimeRange, time_range, time_zone

NOW = datetime(2026, 5, 1, 18, 7, tzinfo=UTC)
HOUR = timedelta(hours=1)


def cut(zone: str, start: str | None, end: str | None, period: Period = Period.DAY, **overrides: Any) -> TimeRange:
    fields: dict[str, Any] = {"now": NOW, "longest": timedelta(days=90), "usual": timedelta(days=2)}
    return time_range(
        datetime.fromisoformat(start) if start else None,
        datetime.fromisoformat(end) if end else None,
        period=period,
        zone=time_zone(zone),
        **fields | overrides,
    )


def lengths(found: TimeRange) -> list[float]:
    """The true length of each period in hours."""
    return [(end.astimezone(UTC) - start.astimezone(UTC)) / HOUR for start, end in found.periods]


def starts(found: TimeRange) -> list[str]:
    return [start.isoformat() for start, _ in found.periods]


@pytest.mark.parametrize(
    ("zone", "start", "end", "hours"),
    [
        ("UTC", "2026-03-28T00:00", "2026-03-31T00:00", [24, 24, 24]),
        ("Europe/Berlin", "2026-03-28T00:00", "2026-03-31T00:00", [24, 23, 24]),
        ("Europe/Berlin", "2026-10-24T00:00", "2026-10-27T00:00", [24, 25, 24]),
        ("Australia/Lord_Howe", "2026-04-04T00:00", "2026-04-07T00:00", [24, 24.5, 24]),
        ("Australia/Lord_Howe", "2026-10-03T00:00", "2026-10-06T00:00", [24, 23.5, 24]),
        ("Asia/Kathmandu", "2026-03-28T00:00", "2026-03-30T00:00", [24, 24]),
        ("America/Havana", "2026-10-31T00:00", "2026-11-03T00:00", [24, 25, 24]),  # 1 o'clock becomes midnight again
        ("Africa/Cairo", "2026-04-23T00:00", "2026-04-26T00:00", [24, 23, 24]),  # midnight is left out
        ("Pacific/Apia", "2011-12-29T00:00", "2012-01-01T00:00", [24, 24]),  # December 30 is left out
    ],
)
def test_a_day_is_as_long_as_the_zone_makes_it(zone: str, start: str, end: str, hours: list[float]) -> None:
    assert lengths(cut(zone, start, end)) == hours


def test_days_of_kathmandu_begin_at_a_quarter() -> None:
    found = cut("Asia/Kathmandu", "2026-03-28T00:00", "2026-03-30T00:00")
    assert [bound.isoformat() for bound in found.bounds] == [
        "2026-03-27T18:15:00+00:00",
        "2026-03-28T18:15:00+00:00",
        "2026-03-29T18:15:00+00:00",
    ]


def test_the_repeated_hour_is_two_periods() -> None:
    found = cut("Europe/Berlin", "2026-10-25T01:00", "2026-10-25T04:00", Period.HOUR)
    assert starts(found) == [
        "2026-10-25T01:00:00+02:00",
        "2026-10-25T02:00:00+02:00",
        "2026-10-25T02:00:00+01:00",
        "2026-10-25T03:00:00+01:00",
    ]


def test_the_skipped_hour_is_no_period() -> None:
    found = cut("Europe/Berlin", "2026-03-29T01:00", "2026-03-29T04:00", Period.HOUR)
    assert starts(found) == ["2026-03-29T01:00:00+01:00", "2026-03-29T03:00:00+02:00"]


def test_a_clock_change_of_half_an_hour_repeats_half_an_hour() -> None:
    found = cut("Australia/Lord_Howe", "2026-04-05T01:00", "2026-04-05T03:00", Period.HOUR)
    assert starts(found) == [
        "2026-04-05T01:00:00+11:00",
        "2026-04-05T01:30:00+10:30",
        "2026-04-05T02:00:00+10:30",
    ]
    assert lengths(found) == [1, 0.5, 1]


def test_weeks_begin_on_monday_and_are_cut_where_the_range_is() -> None:
    found = cut("Europe/Berlin", "2026-03-25T00:00", "2026-04-08T00:00", Period.WEEK)
    assert starts(found) == [
        "2026-03-25T00:00:00+01:00",
        "2026-03-30T00:00:00+02:00",
        "2026-04-06T00:00:00+02:00",
    ]
    assert [start.weekday() for start, _ in found.periods] == [2, 0, 0]


def test_months_begin_on_the_first() -> None:
    found = cut("America/New_York", "2026-01-15T00:00", "2026-03-15T00:00", Period.MONTH)
    assert [start.isoformat()[:10] for start, _ in found.periods] == ["2026-01-15", "2026-02-01", "2026-03-01"]


def test_a_range_is_widened_to_whole_quarters() -> None:
    found = cut("UTC", "2026-03-28T10:14:59.999999Z", "2026-03-28T11:00:00.000001Z")
    assert (found.start.time().isoformat(), found.end.time().isoformat()) == ("10:00:00", "11:15:00")


def test_without_ends_a_range_is_as_long_as_usual_and_ends_now() -> None:
    found = cut("UTC", None, None)
    assert (found.start, found.end) == (NOW.replace(minute=15) - timedelta(days=2), NOW.replace(minute=15))


def test_a_moment_without_an_offset_is_one_of_the_zone() -> None:
    here = cut("Europe/Berlin", "2026-03-28T00:00", "2026-03-29T00:00")
    assert here == cut("Europe/Berlin", "2026-03-27T23:00Z", "2026-03-28T23:00Z")


def test_a_range_is_measured_on_the_clock_of_the_zone() -> None:
    day = timedelta(days=1)
    assert lengths(cut("Europe/Berlin", "2026-10-25T00:00", "2026-10-26T00:00", longest=day)) == [25]
    with pytest.raises(InvalidRequest) as refused:
        cut("Europe/Berlin", "2026-10-25T00:00", "2026-10-26T00:15", longest=day)
    assert refused.value.errors == (FieldError("from", FieldErrorCode.RANGE_TOO_LONG, {"days": 1}),)


@pytest.mark.parametrize(
    ("start", "end"), [("2026-03-28T00:00", "2026-03-28T00:00"), ("2026-03-29T00:00", "2026-03-28T00:00")]
)
def test_a_range_must_end_after_it_starts(start: str, end: str) -> None:
    with pytest.raises(InvalidRequest):
        cut("UTC", start, end)


@pytest.mark.parametrize(
    "name", ["", "Mars/Olympus", "America", "../UTC", "/etc/passwd", "a" * 300, "Europe/Berlin\x00"]
)
def test_an_unknown_zone_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        time_zone(name)
    assert [error.field for error in refused.value.errors] == ["tz"]


@given(
    zone=st.sampled_from(
        ["UTC", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu", "America/St_Johns", "Pacific/Chatham"]
    ),
    days=st.timedeltas(timedelta(0), timedelta(days=800)),
    length=st.timedeltas(timedelta(minutes=1), timedelta(days=31)),
    period=st.sampled_from(Period),
)
def test_periods_follow_on_each_other_without_a_gap(
    zone: str, days: timedelta, length: timedelta, period: Period
) -> None:
    start = NOW - days
    found = time_range(
        start,
        start + length,
        period=period,
        zone=time_zone(zone),
        now=NOW,
        longest=timedelta(days=33),
        usual=timedelta(days=1),
    )
    assert list(found.bounds) == sorted(set(found.bounds))
    assert found.bounds[0] <= start < start + length <= found.bounds[-1]
    assert all(bound.minute % 15 == bound.second == bound.microsecond == 0 for bound in found.bounds)
    for bound in found.bounds[1:-1]:
        local = bound.astimezone(found.zone)
        if period is Period.DAY:
            assert (local - timedelta(minutes=15)).date() < local.date()
        if period is Period.WEEK:
            assert local.weekday() == 0
        if period is Period.MONTH:
            assert local.day == 1
