"""The clock of a process follows the database's time, whatever the clock of its machine shows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from photochanger.adapters.memory import FakeClock
from photochanger.core.domain.errors import QueueUnavailable
from photochanger.core.services.support.database_clock import MEASURE_INTERVAL, ClockOffset, DatabaseClock

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


class Database:
    """A database whose clock differs from the machine's; its answers take the durations of `script`, then none."""

    def __init__(self, machine: FakeClock, *, ahead: timedelta) -> None:
        self._machine = machine
        self._zero = NOON - machine.monotonic() + ahead
        self.script: list[timedelta] = []
        self.available = True
        self.asked = 0

    def time(self) -> datetime:
        return self._zero + self._machine.monotonic()

    async def now(self) -> datetime:
        self.asked += 1
        if not self.available:
            raise QueueUnavailable("The database cannot be reached right now.")
        if not self.script:
            return self.time()
        took = self.script.pop(0)
        await self._machine.sleep(took * 0.9)  # the way there took nine times as long as the way back
        answer = self.time()
        await self._machine.sleep(took * 0.1)
        return answer

    async def ping(self) -> None: ...

    async def require_current_schema(self) -> None: ...


class Following:
    """A process whose clock follows a database; `reports` are its measurements."""

    def __init__(self, *, database_ahead: timedelta) -> None:
        self.machine = FakeClock(NOON)
        self.database = Database(self.machine, ahead=database_ahead)
        self.clock = DatabaseClock(self.machine)
        self.reports: list[ClockOffset] = []
        self.changed = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        following = asyncio.create_task(
            self.clock.follow(self.database, changed=self.changed.wait, report=self.reports.append)
        )
        try:
            await self.machine.advance(timedelta(0))
            yield
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    def error(self) -> timedelta:
        """How far the clock is from the database's."""
        return abs(self.clock.now() - self.database.time())


@pytest.mark.parametrize("ahead", [30 * SECOND, -30 * SECOND, timedelta(days=400), timedelta(0)])
async def test_it_shows_the_time_of_the_database(ahead: timedelta) -> None:
    one = Following(database_ahead=ahead)
    assert one.clock.now() == one.machine.now()
    async with one.running():
        assert one.error() == timedelta(0)
        assert one.clock.offset == ClockOffset(-ahead, timedelta(0))
        assert one.reports == [one.clock.offset]
        assert one.clock.by_machine(one.database.time()) == one.machine.now()


async def test_the_quickest_answer_counts_and_bounds_the_error() -> None:
    one = Following(database_ahead=30 * SECOND)
    one.database.script = [8 * SECOND, SECOND / 10, 4 * SECOND, 2 * SECOND]
    async with one.running():
        await one.machine.advance(15 * SECOND)
        assert one.error() <= SECOND / 20
        (offset,) = one.reports
        assert offset.error == SECOND / 20
        assert offset.least <= 30 * SECOND <= abs(offset.ahead) + offset.error


async def test_a_clock_that_is_right_makes_no_step_for_a_slow_answer() -> None:
    one = Following(database_ahead=timedelta(0))
    one.database.script = [SECOND] * 4
    async with one.running():
        await one.machine.advance(5 * SECOND)
        assert one.reports
        assert one.error() == timedelta(0)


async def test_a_wall_clock_that_is_set_does_not_move_it_and_is_measured_at_once() -> None:
    one = Following(database_ahead=timedelta(0))
    async with one.running():
        await one.machine.advance(10 * SECOND)
        one.machine.set_back(30 * SECOND)
        assert one.error() == timedelta(0)
        assert len(one.reports) == 1
        await one.machine.advance(2 * SECOND)
        assert one.error() == timedelta(0)
        assert [report.ahead for report in one.reports] == [timedelta(0), -30 * SECOND]
        await one.machine.advance(30 * SECOND)
        assert len(one.reports) == 2


async def test_a_timeout_ends_by_the_time_of_the_database() -> None:
    one = Following(database_ahead=30 * SECOND)
    async with one.running():
        ended = asyncio.Event()

        async def wait() -> None:
            with pytest.raises(TimeoutError):
                async with one.clock.timeout_at(one.database.time() + 5 * SECOND):
                    await asyncio.Event().wait()
            ended.set()

        waiting = asyncio.create_task(wait())
        await one.machine.advance(4 * SECOND)
        assert not ended.is_set()
        await one.machine.advance(SECOND)
        assert ended.is_set()
        await waiting


async def test_it_measures_every_minute_and_after_a_change_of_the_server() -> None:
    one = Following(database_ahead=timedelta(0))
    async with one.running():
        await one.machine.advance(3 * MEASURE_INTERVAL)
        assert len(one.reports) == 4
        one.database._zero += 10 * SECOND  # another server answers now
        one.changed.set()
        await one.machine.advance(SECOND)
        assert one.error() == timedelta(0)


async def test_an_outage_is_waited_out_while_the_clock_goes_on() -> None:
    one = Following(database_ahead=30 * SECOND)
    async with one.running():
        one.database.available = False
        await one.machine.advance(10 * MEASURE_INTERVAL)
        assert one.error() == timedelta(0)
        assert len(one.reports) == 1
        asked = one.database.asked
        one.database.available = True
        await one.machine.advance(SECOND)
        assert one.database.asked > asked
        assert len(one.reports) == 2


async def test_a_database_that_is_away_at_the_start_is_measured_when_it_is_there() -> None:
    one = Following(database_ahead=30 * SECOND)
    one.database.available = False
    async with one.running():
        await one.machine.advance(5 * SECOND)
        assert one.clock.offset is None
        one.database.available = True
        await one.machine.advance(2 * SECOND)
        assert one.error() == timedelta(0)
