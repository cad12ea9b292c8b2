"""A time zone by the hour of the day: what is counted by the day is counted in one day, whenever the tests run."""

from __future__ import annotations

from datetime import UTC, datetime


def zone_at(hour: int) -> str:
    """A time zone where it is this hour of the day now, without changes of its offset; `hour` from 12 to 14.

    After that hour the name has a plus, which means a space in a query: quote it there.
    """
    ahead = hour - datetime.now(UTC).hour
    return f"Etc/GMT{-ahead:+d}" if ahead else "UTC"
