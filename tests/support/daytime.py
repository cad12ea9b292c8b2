"""A time zone in which it is day: what is counted by the day there is counted in one day, whenever the tests run."""

from __future__ import annotations

from datetime import UTC, datetime


def zone_at_daytime() -> str:
    """A zone without changes of its offset that is at least four hours away from midnight."""
    return "UTC" if 6 <= datetime.now(UTC).hour < 18 else "Pacific/Kiritimati"  # 14 hours ahead
