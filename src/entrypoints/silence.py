"""How long something has given no sign of life, measured by an observer that may be delayed itself."""

from __future__ import annotations

from datetime import timedelta

TICK = timedelta(seconds=1)
"""How often an observer looks."""

_STALL = 3 * TICK
"""An observer that is later than this was stopped or starved, and what it observes probably with it."""


class Silence:
    """The time since the last sign of life, by the monotonic clock.

    The count starts again where the observer itself did not run: the machine slept or was overloaded, and what is
    observed had no chance either, or its signs have not been read yet.
    """

    def __init__(self, now: timedelta) -> None:
        self._since = now
        self._looked = now

    def broken(self, now: timedelta) -> None:
        """Note a sign of life."""
        self._since = max(self._since, now)

    def duration(self, now: timedelta) -> timedelta:
        """How long there has been none. Called at every tick."""
        if now - self._looked > _STALL:
            self._since = now
        self._looked = now
        return now - self._since
