"""Ranges of time and their hours, days, weeks and months on the clock and calendar of a time zone.

Time is cut at whole quarter hours: the offset of every current zone is a multiple of that.
"""

from __future__ import annotations

import enum
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from ..errors import InvalidRequest, invalid_query
from ..field_errors import FieldError, FieldErrorCode

QUARTER = timedelta(minutes=15)
_EARLIEST_YEAR, _LATEST_YEAR = 2000, 2199


class Period(enum.StrEnum):
    """The grouping of statistics. A week starts on Monday."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class TimeRange(msgspec.Struct, frozen=True, kw_only=True):
    """A range of time, cut into periods of a zone: from each of `bounds` (UTC, whole quarter hours) to the next.

    The first and the last period are cut at the start and the end of the range.
    """

    zone: ZoneInfo
    period: Period
    bounds: tuple[datetime, ...]

    @property
    def start(self) -> datetime:
        return self.bounds[0].astimezone(self.zone)

    @property
    def end(self) -> datetime:
        return self.bounds[-1].astimezone(self.zone)

    @property
    def periods(self) -> list[tuple[datetime, datetime]]:
        """The periods, oldest first: start and end on the zone's clock."""
        shown = [bound.astimezone(self.zone) for bound in self.bounds]
        return [*pairwise(shown)]


def quarter_of(moment: datetime) -> datetime:
    """The beginning of its quarter hour, in UTC."""
    moment = moment.astimezone(UTC)
    return moment.replace(minute=moment.minute // 15 * 15, second=0, microsecond=0)


def time_zone(name: str) -> ZoneInfo:
    """The IANA time zone with this name; InvalidRequest if it does not exist."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: the name of a folder of zones, or too long
        raise _refused("tz", FieldErrorCode.TIME_ZONE_UNKNOWN) from None


def time_range(
    start: datetime | None,
    end: datetime | None,
    *,
    period: Period,
    zone: ZoneInfo,
    now: datetime,
    longest: timedelta,
    usual: timedelta,
) -> TimeRange:
    """The range between two times, widened to whole quarter hours; a time without an offset is in the zone.

    Without an end it ends now, without a start it is `usual` long. InvalidRequest if it is empty, longer than
    `longest` on the zone's clock (a day with 25 hours is one day), or outside the supported years.
    """
    given = {"from": start, "to": end}
    years = {"min": _EARLIEST_YEAR + 1, "max": _LATEST_YEAR - 1}
    if outside := [
        FieldError(name, FieldErrorCode.YEAR_OUT_OF_RANGE, years)
        for name, moment in given.items()
        if moment and not years["min"] <= moment.year <= years["max"]
    ]:
        raise invalid_query(outside)
    until = _ceiling(_in(zone, end or now))
    since = _floor(_in(zone, start)) if start else _floor(_wall_clock(until, zone, back=usual))
    if since >= until:
        raise _refused("to", FieldErrorCode.RANGE_EMPTY)
    if _clock(until, zone) - _clock(since, zone) - (QUARTER if end is None else timedelta(0)) > longest:
        raise _refused("from", FieldErrorCode.RANGE_TOO_LONG, days=longest.days)
    return TimeRange(zone=zone, period=period, bounds=_bounds(since, until, period, zone))


def _bounds(start: datetime, end: datetime, period: Period, zone: ZoneInfo) -> tuple[datetime, ...]:
    between = _hours(start, end, zone) if period is Period.HOUR else _days(start, end, period, zone)
    return (start, *(bound for bound in between if start < bound < end), end)


def _hours(start: datetime, end: datetime, zone: ZoneInfo) -> list[datetime]:
    """The full hours of the zone's clock, and its changes of offset."""
    bounds = []
    before: tuple[int, timedelta | None] | None = None
    for number in range(int((end - start) / QUARTER)):
        moment = start + number * QUARTER
        local = moment.astimezone(zone)
        here = (local.hour, local.utcoffset())
        if before is not None and here != before:
            bounds.append(moment)
        before = here
    return bounds


def _days(start: datetime, end: datetime, period: Period, zone: ZoneInfo) -> list[datetime]:
    """The midnights that start such a period; a date that the zone skips starts none."""
    day, last = start.astimezone(zone).date(), end.astimezone(zone).date()
    bounds: list[datetime] = []
    while day <= last:
        begins = period is Period.DAY or (day.weekday() == 0 if period is Period.WEEK else day.day == 1)
        if begins and (bound := midnight(day, zone)) not in bounds[-1:]:
            bounds.append(bound)
        day += timedelta(days=1)
    return bounds


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """The first moment of a date in UTC. If the clock skips midnight it is the moment of the skip."""
    return _floor(datetime.combine(day, time(), zone).astimezone(UTC))


def _in(zone: ZoneInfo, moment: datetime) -> datetime:
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)


def _clock(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None)


def _wall_clock(moment: datetime, zone: ZoneInfo, *, back: timedelta) -> datetime:
    return (_clock(moment, zone) - back).replace(tzinfo=zone).astimezone(UTC)


def _floor(moment: datetime) -> datetime:
    return moment.replace(minute=moment.minute // 15 * 15, second=0, microsecond=0)


def _ceiling(moment: datetime) -> datetime:
    floor = _floor(moment)
    return floor if floor == moment else floor + QUARTER


def _refused(field: str, code: FieldErrorCode, **params: int) -> InvalidRequest:
    return invalid_query([FieldError(field, code, params)])
