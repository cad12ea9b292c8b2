"""Login throttling by address and account, shared by all processes of the service."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Mapping
from datetime import timedelta

from ...domain.accounts import WINDOW
from ...domain.errors import TooManyAttempts
from ...ports.accounts import FailureCounter
from ...ports.clock import Clock
from ..support.refreshing_value import RefreshingValue


class LoginThrottle:
    """Blocks keys (an address, an account) that failed too often. Methods may raise QueueUnavailable.

    Failures counted by this process count at once, those of other processes after at most a second.
    """

    def __init__(self, counter: FailureCounter, clock: Clock) -> None:
        self._counter = counter
        self._clock = clock
        self._blocked = RefreshingValue(self._read, clock, what="the blocked addresses and accounts")
        self._failed: dict[str, timedelta] = {}
        self._refused: dict[str, timedelta] = {}
        """Keys that failed in this process, and keys that it found blocked, each with the monotonic time at which that
        ends. The oldest are at the front."""

    async def check(self, keys: Collection[str]) -> None:
        """TooManyAttempts while one of these keys is blocked, as far as this process knows."""
        self._refuse(keys, self._refused)
        self._refuse(keys, await self._blocked.get())

    async def check_now(self, keys: Collection[str]) -> None:
        """As `check`, but exactly: before something expensive."""
        self._refuse(keys, self._refused)
        self._refuse(keys, await self._ask(keys))

    async def failed(self, keys: Collection[str]) -> None:
        """Count a wrong password for each of these keys."""
        await self._counter.failed(keys, now=self._clock.now())
        now = self._clock.monotonic()
        for key in keys:
            _note(self._failed, key, until=now + WINDOW, now=now)
        await self._ask(keys)

    async def succeeded(self, keys: Collection[str]) -> None:
        """Delete the failures of these keys, if there are any."""
        blocked = await self._blocked.get()
        if not any(key in self._failed or key in blocked for key in keys):
            return
        await self._counter.succeeded(keys)
        for key in keys:
            self._failed.pop(key, None)
            self._refused.pop(key, None)
        self._blocked.forget()

    async def _read(self, keys: Collection[str] | None = None) -> Mapping[str, timedelta]:
        """The blocked keys, each with the monotonic time at which its block ends."""
        now, here = self._clock.now(), self._clock.monotonic()
        blocked = await self._counter.blocked(now=now, keys=keys)
        return {key: here + (until - now) for key, until in blocked.items()}

    async def _ask(self, keys: Collection[str]) -> Mapping[str, timedelta]:
        now = self._clock.monotonic()
        blocked = await self._read(keys)
        for key, until in blocked.items():
            _note(self._refused, key, until=until, now=now)
        return blocked

    def _refuse(self, keys: Collection[str], blocked: Mapping[str, timedelta]) -> None:
        now = self._clock.monotonic()
        until = max((blocked[key] for key in keys if key in blocked), default=now)
        if until > now:
            seconds = math.ceil((until - now).total_seconds())
            raise TooManyAttempts(f"Too many wrong passwords. Try again in {seconds} s.", retry_after=seconds)


def _note(known: dict[str, timedelta], key: str, *, until: timedelta, now: timedelta) -> None:
    """Keep a key until its time, and drop those at the front whose time has passed, so that memory is bounded by what
    the last two windows brought."""
    known.pop(key, None)
    known[key] = until
    for old in list(itertools.takewhile(lambda old: known[old] <= now, known)):
        del known[old]
