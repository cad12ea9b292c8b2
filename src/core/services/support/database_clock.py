"""The clock of a process by the time of the database, which all processes share (ADR 50)."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta

import msgspec

from ...domain.errors import QueueUnavailable
from ...ports.clock import Clock
from ...ports.database import DatabaseStatus
from .concurrency import race

_log = logging.getLogger("photochanger.clock")

MEASURE_INTERVAL = timedelta(minutes=1)

OFFSET_TOLERANCE = timedelta(seconds=2)
"""A larger difference between the clocks of machine and database is reported as a fault."""

_READINGS = 4
"""How often the database is asked for one measurement; the quickest answer counts."""

_LOOK_INTERVAL = timedelta(seconds=1)
"""How often the loop looks whether the wall clock was set, and the pause after a measurement that failed."""

_STEP = timedelta(milliseconds=500)
"""A wall clock that moved this much against the monotonic one was set, or the machine has slept."""

_PRECISE = timedelta(milliseconds=500)
"""A measurement that is less certain is repeated soon."""


class ClockOffset(msgspec.Struct, frozen=True):
    """How far the wall clock of this machine is `ahead` of the database's (negative: behind), give or take `error`."""

    ahead: timedelta
    error: timedelta

    @property
    def least(self) -> timedelta:
        """The smallest difference that this measurement can mean, without its sign."""
        return max(abs(self.ahead) - self.error, timedelta(0))

    @property
    def ahead_seconds(self) -> float:
        """`least` in seconds to a millisecond, negative where the clock is behind."""
        return round(self.least.total_seconds() * (1 if self.ahead >= timedelta(0) else -1), 3)


class DatabaseClock:
    """The Clock port: the machine's monotonic clock, set by the database's time.

    Until the first measurement it shows the time of the machine. A measurement changes it no more than it must: the
    time of the database was somewhere between the question and the answer, and a clock that agrees with that is left
    alone. So it makes no small steps, and a wall clock that is set does not move it.
    """

    def __init__(self, machine: Clock) -> None:
        self._machine = machine
        self._zero = self._machine_zero = machine.now() - machine.monotonic()
        self._offset: ClockOffset | None = None

    @property
    def offset(self) -> ClockOffset | None:
        """The latest measurement; None before the first one."""
        return self._offset

    def now(self) -> datetime:
        return self._zero + self._machine.monotonic()

    def by_machine(self, moment: datetime) -> datetime:
        return moment + (self._machine.now() - self.now())

    def monotonic(self) -> timedelta:
        return self._machine.monotonic()

    async def sleep(self, duration: timedelta) -> None:
        await self._machine.sleep(duration)

    def timeout_at(self, moment: datetime) -> AbstractAsyncContextManager[object]:
        return self._machine.timeout_at(self.by_machine(moment))

    async def measure(self, database: DatabaseStatus) -> ClockOffset:
        """Ask the database for its time and follow it. QueueUnavailable."""
        took, zero = min([await self._reading(database) for _ in range(_READINGS)])
        error = took / 2
        self._zero = min(max(self._zero, zero - error), zero + error)
        self._machine_zero = self._machine.now() - self._machine.monotonic()
        self._offset = ClockOffset(self._machine_zero - zero, error)
        return self._offset

    async def follow(
        self,
        database: DatabaseStatus,
        *,
        changed: Callable[[], Awaitable[object]],
        report: Callable[[ClockOffset], None],
    ) -> None:
        """Measure every minute until cancelled, and at once when the wall clock was set or `changed` returns.

        `changed` waits until the process may talk to another server. `report` gets each measurement. An outage of the
        database is waited out: the clock goes on by the monotonic one.
        """
        while True:
            pause = MEASURE_INTERVAL
            try:
                offset = await self.measure(database)
            except QueueUnavailable as error:
                _log.warning("the clock of the database could not be read: %s", error.detail)
                pause = _LOOK_INTERVAL
            else:
                report(offset)
                if offset.error > _PRECISE:
                    pause = _LOOK_INTERVAL
            await self._machine.sleep(_LOOK_INTERVAL)
            await race(self._due(pause - _LOOK_INTERVAL), changed())

    async def _reading(self, database: DatabaseStatus) -> tuple[timedelta, datetime]:
        """How long one answer took, and when the database's time was at the zero of the monotonic clock."""
        asked = self._machine.monotonic()
        there = await database.now()
        took = self._machine.monotonic() - asked
        return took, there - asked - took / 2

    async def _due(self, pause: timedelta) -> None:
        """Return after the pause, or when the wall clock of the machine was set."""
        end = self._machine.monotonic() + pause
        while (now := self._machine.monotonic()) < end:
            if abs(self._machine.now() - now - self._machine_zero) >= _STEP:
                _log.info("the clock of this machine was set, or the machine has slept; measuring again")
                return
            await self._machine.sleep(min(_LOOK_INTERVAL, end - now))
