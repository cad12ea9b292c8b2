"""This process among the idle workers: while it is in that table, one of the next jobs wakes it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from ..batching import Batcher
from ..connection import BoundedConnection
from ..database import Database

_ANNOUNCE = "call photochanger.announce_idle(%(channel)s, null, null)"
_WITHDRAW = "update photochanger.idle_workers set idle_since = null where channel = %(channel)s"
UNCLAIMED = "select last_value from photochanger.unclaimed_wake_ups"
"""How many times jobs came for which too few workers were idle."""

ANNOUNCE_EVERY_SECONDS = 0.8
"""How long an announcement is good for. The database takes a worker for dead that has made none for 10 s."""


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
        self._changes: Batcher[bool | None, None] = database.batcher(self._change)
        self._idle = False
        self._announced_at = 0.0

    async def look(self) -> None:
        """Look for jobs without being idle: this process would not hear of being chosen. QueueUnavailable."""
        await self._changes.call(None)

    async def announce(self) -> None:
        """Be idle in the database before this returns. QueueUnavailable."""
        if not self._idle or asyncio.get_running_loop().time() - self._announced_at >= ANNOUNCE_EVERY_SECONDS:
            await self._changes.call(True)

    def withdraw(self) -> None:
        """Be chosen no more, soon. Where that fails, the next wake-up for this process is passed on."""
        if self._idle:
            self._idle = False
            self._changes.post(False).add_done_callback(_ended)

    def claimed(self) -> None:
        """Note that this process was chosen, or that nothing is known: the next announcement goes to the database."""
        self._idle = False

    async def _change(self, connection: BoundedConnection, batch: Sequence[bool | None]) -> list[None]:
        """Execute the last one of these changes: idle, not idle, or only a look."""
        idle = batch[-1]
        if idle is False:
            await connection.execute(_WITHDRAW, {"channel": self._channel})
            return [None] * len(batch)
        self._idle = bool(idle)  # before the statement: a worker may be chosen before its reply is read
        self._announced_at = asyncio.get_running_loop().time()
        try:
            row = await (await connection.call(_ANNOUNCE, {"channel": self._channel if idle else None})).fetchone()
        except BaseException:
            self._idle = False
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
