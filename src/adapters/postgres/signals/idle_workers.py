"""This process among the idle workers: while it is in that table, one of the next jobs wakes it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from ..batching import Batcher
from ..connection import BoundedConnection
from ..database import Database

_ANNOUNCE = "call photochanger.announce_idle(%(channel)s, %(places)s, null, null)"
_WITHDRAW = "update photochanger.idle_workers set idle_since = null where channel = %(channel)s"
UNCLAIMED = "select last_value from photochanger.unclaimed_wake_ups"
"""How many times jobs came for which too few workers were idle."""

ANNOUNCE_EVERY_SECONDS = 0.8
"""How long an announcement is good for. The database takes a worker for dead that has made none for 10 s."""

_LOOK, _WITHDRAWAL = -1, 0
"""Changes that are no number of free places."""


class IdleWorkers:
    """Announces this process as idle, and withdraws it, in the order of the calls.

    With each announcement it looks whether jobs came while too few workers were idle, or have waited for longer than a
    wake-up takes: `on_unclaimed` reports them.
    """

    def __init__(self, database: Database, channel: str, on_unclaimed: Callable[[], None]) -> None:
        self._channel = channel
        self.unclaimed: int | None = None
        """The counter as it was read last: jobs that were counted since are still to be looked for."""

        self._on_unclaimed = on_unclaimed
        self._changes: Batcher[int, None] = database.batcher(self._change)
        self._places = 0
        """How many further jobs may wake this process; the database may have it for more, but never for fewer."""

        self._announced_at = 0.0

    async def look(self) -> None:
        """Look for jobs without being idle: this process would not hear of being chosen. QueueUnavailable."""
        await self._changes.call(_LOOK)

    async def announce(self, places: int) -> None:
        """Be idle in the database, with at most this number of places, before this returns. QueueUnavailable."""
        is_known = 0 < self._places <= places
        if not is_known or asyncio.get_running_loop().time() - self._announced_at >= ANNOUNCE_EVERY_SECONDS:
            await self._changes.call(places)

    def withdraw(self) -> None:
        """Be chosen no more, soon. Where that fails, the next wake-up for this process is passed on."""
        if self._places > 0:
            self._places = 0
            self._changes.post(_WITHDRAWAL).add_done_callback(_ended)

    def chosen(self) -> None:
        """Note that a job has woken this process."""
        self._places -= 1

    def forget(self) -> None:
        """Note that nothing is known: the next announcement goes to the database."""
        self._places = 0

    async def _change(self, connection: BoundedConnection, batch: Sequence[int]) -> list[None]:
        """Execute the last one of these changes, a number of free places or a withdrawal, and the looks."""
        change = next((change for change in reversed(batch) if change != _LOOK), _LOOK)
        if change == _WITHDRAWAL:
            await connection.execute(_WITHDRAW, {"channel": self._channel})
            if _LOOK not in batch:
                return [None] * len(batch)
        places = max(change, 0)
        self._places = places  # before the statement: a worker may be chosen before its reply is read
        self._announced_at = asyncio.get_running_loop().time()
        parameters = {"channel": self._channel if places else None, "places": places}
        try:
            row = await (await connection.call(_ANNOUNCE, parameters)).fetchone()
        except BaseException:
            self._places = 0
            raise
        assert row is not None
        unclaimed, waits = row
        counted, self.unclaimed = self.unclaimed, unclaimed
        if waits or counted not in (None, unclaimed):
            self._on_unclaimed()
        return [None] * len(batch)


def _ended(withdrawn: asyncio.Future[None]) -> None:
    if not withdrawn.cancelled():
        withdrawn.exception()  # an error here is one of the connection, which LISTEN reports
