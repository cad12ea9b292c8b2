"""Guessing made slow: whoever sent too many wrong passwords waits, in every process of the service."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping
from datetime import datetime

from ...domain.accounts import WINDOW, seconds_left
from ...domain.errors import TooManyAttempts
from ...ports.accounts import FailureCounter
from ...ports.clock import Clock
from ..support.refreshing_value import RefreshingValue


class LoginThrottle:
    """Holds back the keys (an address, an account) that failed too often. Methods may raise QueueUnavailable.

    What was counted here is known here at once, what other processes counted after a second at most.
    """

    def __init__(self, counter: FailureCounter, clock: Clock) -> None:
        self._counter = counter
        self._clock = clock
        self._blocked = RefreshingValue(self._read, clock, what="the addresses and accounts that are blocked")
        self._failed: dict[str, datetime] = {}
        self._refused: dict[str, datetime] = {}
        """Keys that failed through this process, and those that it found blocked, each with the moment from which that
        is over. The oldest are at the front."""

    async def check(self, keys: Collection[str]) -> None:
        """TooManyAttempts while one of these keys is blocked, as far as is known; asks nobody where that is fresh."""
        self._refuse(keys, self._refused)
        self._refuse(keys, await self._blocked.get())

    async def check_now(self, keys: Collection[str]) -> None:
        """The same, exactly: before something that costs much."""
        self._refuse(keys, self._refused)
        self._refuse(keys, await self._ask(keys))

    async def failed(self, keys: Collection[str]) -> None:
        """Count a wrong password of each of these keys."""
        now = self._clock.now()
        await self._counter.failed(keys, now=now)
        for key in keys:
            _note(self._failed, key, until=now + WINDOW, now=now)
        await self._ask(keys)

    async def succeeded(self, keys: Collection[str]) -> None:
        """Forget the failures of these keys, if any are known of."""
        blocked = await self._blocked.get()
        if not any(key in self._failed or key in blocked for key in keys):
            return
        await self._counter.succeeded(keys)
        for key in keys:
            self._failed.pop(key, None)
            self._refused.pop(key, None)
        self._blocked.forget()

    async def _read(self) -> Mapping[str, datetime]:
        return await self._counter.blocked(now=self._clock.now())

    async def _ask(self, keys: Collection[str]) -> Mapping[str, datetime]:
        now = self._clock.now()
        blocked = await self._counter.blocked(now=now, keys=keys)
        for key, until in blocked.items():
            _note(self._refused, key, until=until, now=now)
        return blocked

    def _refuse(self, keys: Collection[str], blocked: Mapping[str, datetime]) -> None:
        now = self._clock.now()
        until = max((blocked[key] for key in keys if key in blocked), default=now)
        if until > now:
            seconds = seconds_left(until, now)
            raise TooManyAttempts(f"Too many wrong passwords; try again in {seconds} s.", retry_after=seconds)


def _note(known: dict[str, datetime], key: str, *, until: datetime, now: datetime) -> None:
    """Keep a key until its moment, and drop those at the front whose moment has passed, so that memory holds no more
    than what the last two windows brought."""
    known.pop(key, None)
    known[key] = until
    for old in list(itertools.takewhile(lambda old: known[old] <= now, known)):
        del known[old]
