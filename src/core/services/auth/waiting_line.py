"""The bounded waiting line in front of the slow hash of passwords."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ...domain.accounts import site_part
from ...domain.errors import TooManyAttempts

RETRY_AFTER_SECONDS = 5

_Queues = OrderedDict[str, deque[asyncio.Future[None]]]


class WaitingLine:
    """Lets one caller through at a time: preferred addresses first, then each address in turn.

    At most `size` callers wait, at most `share` from one address (an IPv6 /48), or half of the line from a preferred
    one. In a full line a newcomer takes the place of the last caller of the address with the most places, if that has
    more than its own address would have; a preferred one takes it in any case.
    """

    def __init__(self, *, size: int, share: int) -> None:
        self._size = size
        self._share = share
        self._is_taken = False
        self._preferred: _Queues = OrderedDict()
        self._others: _Queues = OrderedDict()

    def __len__(self) -> int:
        """How many callers wait."""
        return sum(map(len, self._preferred.values())) + sum(map(len, self._others.values()))

    @asynccontextmanager
    async def turn(self, address: str, *, preferred: bool, share: int | None = None) -> AsyncIterator[None]:
        """Wait for the turn of this address, which lasts as long as the block. TooManyAttempts where no place is left.

        `share` replaces the line's for this caller.
        """
        await self._enter(site_part(address), preferred=preferred, share=share or self._share)
        try:
            yield
        finally:
            self._next()

    async def _enter(self, site: str, *, preferred: bool, share: int) -> None:
        if not self._is_taken:
            self._is_taken = True
            return
        queues = self._preferred if preferred else self._others
        self._make_room(site, preferred=preferred, share=share)
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queues.setdefault(site, deque()).append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled() and place.exception() is None:
                self._next()  # the turn had come
            else:
                _remove(queues, site, place)
            raise

    def _make_room(self, site: str, *, preferred: bool, share: int) -> None:
        own = len((self._preferred if preferred else self._others).get(site, ()))
        if own >= (max(share, self._size // 2) if preferred else share):
            raise _full()
        if len(self) < self._size:
            return
        largest = max(self._others, key=lambda other: len(self._others[other]), default=None)
        if largest is None or (not preferred and len(self._others[largest]) <= own + 1):
            raise _full()
        last = self._others[largest][-1]
        _remove(self._others, largest, last)
        if not last.done():
            last.set_exception(_full())

    def _next(self) -> None:
        """Give the turn to the next caller."""
        while (place := _first(self._preferred) or _first(self._others)) is not None:
            if not place.done():
                place.set_result(None)
                return
        self._is_taken = False


def _first(queues: _Queues) -> asyncio.Future[None] | None:
    """Take the first caller of the address whose turn it is; that address goes to the end."""
    if not queues:
        return None
    site, queue = queues.popitem(last=False)
    place = queue.popleft()
    if queue:
        queues[site] = queue
    return place


def _remove(queues: _Queues, site: str, place: asyncio.Future[None]) -> None:
    queue = queues.get(site)
    if queue is not None and place in queue:
        queue.remove(place)
        if not queue:
            del queues[site]


def _full() -> TooManyAttempts:
    return TooManyAttempts(
        f"Too many passwords wait to be checked. Try again in {RETRY_AFTER_SECONDS} s.",
        retry_after=RETRY_AFTER_SECONDS,
    )
