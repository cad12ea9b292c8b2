"""How long calls usually take, estimated from the last few of them, so that a change is noticed within a few calls."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import timedelta

import msgspec

REMEMBERED = 16
"""How many of the last durations count."""

_NEWEST = 4
"""Where these all agree that calls have become slower or faster, the older ones do not count against it."""

_CUT_FACTOR = 2
"""What a call that was cut off would have taken, as a multiple of the time it had: it is not known, only that it was
more. Each further one doubles the estimate, until calls have the time that they need."""


_NEED_FACTOR = 1.5


class UsualDuration(msgspec.Struct, frozen=True):
    """The usual duration of something, in seconds.

    Attributes:
        typical: half of them took at most this long. What has less time left is not begun.
        mean: for the sum of many.
        careful: nearly all took at most this long. What has more time left is expected to end in time.
    """

    typical: float
    mean: float
    careful: float

    @property
    def need(self) -> float:
        """What a first call must have left: less than `careful` where durations vary widely."""
        return min(self.careful, self.typical * _NEED_FACTOR)


UNKNOWN = UsualDuration(0.0, 0.0, 0.0)
"""Where nothing is known yet, nothing is refused for it."""


def usual_duration(durations_ms: Sequence[int]) -> UsualDuration:
    """Estimate from the last durations in milliseconds, newest last; UNKNOWN where there are none."""
    last = durations_ms[-REMEMBERED:]
    if not last:
        return UNKNOWN
    ordered = sorted(last)
    newest = last[-_NEWEST:]
    low, high = (min(newest), max(newest)) if len(newest) == _NEWEST else (ordered[0], ordered[-1])
    typical = _rank(ordered, 50)
    mean = sum(last) / len(last)
    careful = _rank(ordered, 90)
    if len(last) >= 2 * _NEWEST:
        careful = min(careful, max(last[-2 * _NEWEST :]))
    return UsualDuration(
        typical=min(max(typical, low), high) / 1000,
        mean=min(max(mean, low), high) / 1000,
        careful=max(careful, low) / 1000,
    )


def with_duration(durations_ms: tuple[int, ...], duration: timedelta) -> tuple[int, ...]:
    """Add the duration of a call that made a picture."""
    return (*durations_ms, _milliseconds(duration))[-REMEMBERED:]


def with_cut_off(durations_ms: tuple[int, ...], duration: timedelta) -> tuple[int, ...]:
    """Add a call that was cut off without a picture after this time; nothing where it had less than such calls take."""
    had_ms = _milliseconds(duration)
    if durations_ms and had_ms < usual_duration(durations_ms).typical * 1000:
        return durations_ms
    return (*durations_ms, had_ms * _CUT_FACTOR)[-REMEMBERED:]


def _milliseconds(duration: timedelta) -> int:
    return max(round(duration.total_seconds() * 1000), 0)


def _rank(ordered: Sequence[int], percent: int) -> int:
    return ordered[math.ceil(len(ordered) * percent / 100) - 1]
