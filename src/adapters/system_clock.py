"""The clock of the machine, the only module that reads it."""

from __future__ import annotations

import asyncio
import time
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta


class SystemClock:
    """The Clock port over the operating system's time and the event loop's timers."""

    def now(self) -> datetime:
        return datetime.fromtimestamp(time.time(), UTC)

    def by_machine(self, moment: datetime) -> datetime:
        return moment

    def monotonic(self) -> timedelta:
        return timedelta(seconds=time.monotonic())

    async def sleep(self, duration: timedelta) -> None:
        await asyncio.sleep(duration.total_seconds())

    def timeout_at(self, moment: datetime) -> AbstractAsyncContextManager[object]:
        return asyncio.timeout((moment - self.now()).total_seconds())


SYSTEM_CLOCK = SystemClock()
"""For adapters that measure real time whatever clock the core has: network timeouts, the start of a server."""
