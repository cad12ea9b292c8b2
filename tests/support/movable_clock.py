"""The machine's clock, which a test can set ahead or stop: what waits for a moment finds it past at its next look."""

from __future__ import annotations

from datetime import datetime, timedelta

from photochanger.adapters.system_clock import SystemClock


class MovableClock(SystemClock):
    """Sleeps and timeouts take as long as they do, whatever the clock says."""

    def __init__(self) -> None:
        self._ahead = timedelta(0)
        self._stopped_at: tuple[datetime, timedelta] | None = None

    def now(self) -> datetime:
        return self._stopped_at[0] if self._stopped_at else super().now() + self._ahead

    def monotonic(self) -> timedelta:
        return self._stopped_at[1] if self._stopped_at else super().monotonic()

    def pass_by(self, duration: timedelta) -> None:
        """Let this time have passed on the wall clock."""
        self._ahead += duration

    def stop(self) -> None:
        """Let no time pass any more, so that what is counted by the minute is counted in one."""
        self._stopped_at = (self.now(), self.monotonic())
