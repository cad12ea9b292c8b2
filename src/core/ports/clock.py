"""Time as a port, so that a job's whole life can run in a test without waiting."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """The one clock of a process."""

    def now(self) -> datetime:
        """This moment, aware, in UTC: by the clock that stored moments follow, which is that of the database."""
        ...

    def by_machine(self, moment: datetime) -> datetime:
        """The same moment by the wall clock of this machine.

        For what is compared with times that others take from it: providers, files.
        """
        ...

    def monotonic(self) -> timedelta:
        """Time since an arbitrary point, the same for the whole process; unaffected by changes of the wall clock.

        For ages, pauses and leases inside a process. Deadlines and records use `now`.
        """
        ...

    async def sleep(self, duration: timedelta) -> None:
        """Return after `duration`."""
        ...

    def timeout_at(self, moment: datetime) -> AbstractAsyncContextManager[object]:
        """A block that is cancelled at `moment` and then raises TimeoutError, as `asyncio.timeout_at` does."""
        ...
