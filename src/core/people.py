"""Rules about who may try how often: throttling of wrong passwords by address."""

from __future__ import annotations

import math
from collections import OrderedDict
from datetime import datetime, timedelta

from .errors import TooManyAttempts

MAX_FAILURES = 10
WINDOW = timedelta(seconds=60)
_MAX_ADDRESSES = 10_000


class Throttle:
    """Counts wrong passwords by address: `MAX_FAILURES` within `WINDOW`, then nothing until the window has passed.

    It remembers the addresses that failed last, a bounded number of them.
    """

    def __init__(self) -> None:
        self._failures: OrderedDict[str, tuple[datetime, int]] = OrderedDict()

    def check(self, address: str, now: datetime) -> None:
        """TooManyAttempts while the address has failed too often."""
        since, count = self._failures.get(address, (now, 0))
        left = since + WINDOW - now
        if count >= MAX_FAILURES and left > timedelta(0):
            raise TooManyAttempts(
                "Too many wrong passwords from this address.", retry_after=math.ceil(left.total_seconds())
            )

    def failed(self, address: str, now: datetime) -> None:
        """Note a wrong password."""
        since, count = self._failures.pop(address, (now, 0))
        if now - since >= WINDOW:
            since, count = now, 0
        self._failures[address] = (since, count + 1)
        while len(self._failures) > _MAX_ADDRESSES:
            self._failures.popitem(last=False)

    def succeeded(self, address: str) -> None:
        """Forget the address's failures."""
        self._failures.pop(address, None)
