"""The clock of a process set by the database's time: once for commands, all the time for services (ADR 50)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from dishka import AsyncContainer, Provider, Scope, alias, provide

from ...adapters.postgres import Database
from ...adapters.system_clock import SYSTEM_CLOCK
from ...adapters.telemetry import OpenTelemetry
from ...adapters.telemetry.instruments import CLOCK_OFFSET
from ...core.ports.clock import Clock
from ...core.ports.database import DatabaseStatus
from ...core.services.support.concurrency import Supervisor, race
from ...core.services.support.database_clock import OFFSET_TOLERANCE, ClockOffset, DatabaseClock

_log = logging.getLogger("photochanger.clock")


class ProcessClock(Provider):
    """The clock of the process."""

    scope = Scope.APP

    @provide
    def database_clock(self) -> DatabaseClock:
        return DatabaseClock(SYSTEM_CLOCK)

    clock = alias(source=DatabaseClock, provides=Clock)


async def set_clock(container: AsyncContainer) -> None:
    """Set the clock of this process once. QueueUnavailable."""
    await (await container.get(DatabaseClock)).measure(await container.get(DatabaseStatus))


@asynccontextmanager
async def kept_clock(
    container: AsyncContainer, *, process: str, stop: asyncio.Event | None = None
) -> AsyncIterator[None]:
    """Keep the clock of this process set while the block lasts.

    The block begins with the first measurement: the database is waited for, unless the process is to `stop`.
    `process` names the kind of process in the metrics.
    """
    clock, supervisor = await container.get(DatabaseClock), await container.get(Supervisor)
    database, telemetry = await container.get(Database), await container.get(OpenTelemetry)
    measured = asyncio.Event()
    reporter = _OffsetReporter(telemetry, process)

    def report(offset: ClockOffset) -> None:
        reporter.report(offset)
        measured.set()

    async def changed() -> None:
        await database.connected.wait()
        database.connected.clear()

    following = clock.follow(await container.get(DatabaseStatus), changed=changed, report=report)
    async with supervisor.supervised(following, name="clock of the database"):
        await race(measured.wait(), (stop or asyncio.Event()).wait())
        yield


class _OffsetReporter:
    """Shows the offset in the metrics, and logs one that is too large, once, and its end."""

    def __init__(self, telemetry: OpenTelemetry, process: str) -> None:
        self._telemetry = telemetry
        self._process = process
        self._logged: timedelta | None = None

    def report(self, offset: ClockOffset) -> None:
        ahead = offset.ahead.total_seconds()
        self._telemetry.show(CLOCK_OFFSET, {(self._process,): round(ahead, 3)})
        logged = self._logged
        if offset.least > OFFSET_TOLERANCE:
            if logged is not None and abs(offset.ahead - logged) <= OFFSET_TOLERANCE:
                return
            self._logged = offset.ahead
            side = "ahead of" if ahead > 0 else "behind"
            _log.warning(
                "the clock of this machine is %.1f s %s the database's; jobs follow the database's clock. "
                "Synchronize both clocks (NTP).",
                abs(ahead),
                side,
            )
        elif logged is not None:
            self._logged = None
            _log.info("the clock of this machine agrees with the database's again")
