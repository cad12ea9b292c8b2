"""Uploads whose password is not known yet: what they may hold together, and who gives way (ADR 42).

A form may have its password behind its photo. Until then the photo is a stranger's: few bytes, few uploads per address,
and none of it at the expense of a camera that is known.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from typing import NewType

from ...domain.accounts import host_part
from ...domain.errors import TooManyUploads
from ...ports.clock import Clock
from ..auth.known_addresses import KnownAddresses
from ..support.concurrency import race
from .disk_space import DiskSpace

MaxUnauthenticatedBytes = NewType("MaxUnauthenticatedBytes", int)
"""Bytes that all uploads whose password is not known yet may hold together."""

MAX_UPLOADS_PER_ADDRESS = 2
MAX_BYTES_PER_SECOND = 32 * 1024 * 1024
"""How fast the uploads of strangers may arrive together, so that they leave the processor to the others."""

BURST = timedelta(seconds=1)
"""What strangers may send at once before they are slowed down: a photo that comes alone is not."""

MAX_WAIT = timedelta(seconds=5)
"""How long an upload waits for room before it is refused."""

_RETRY_AFTER_SECONDS = 5
_ADVICE = "Send the password before the photo, or try again in 5 s."


class Upload:
    """An upload, until its password is known, and then."""

    def __init__(self, budget: UploadBudget, address: str, size_bytes: int, limit: asyncio.Timeout) -> None:
        self.address = address
        self.size_bytes = size_bytes
        self.authenticated = False
        self.held_bytes = 0
        self.from_known = False
        """Whether its address had authenticated before when its file began."""

        self.verifying = 0
        self.evicted = False
        self.space = budget.space.begin()
        self._budget = budget
        self._limit = limit

    async def take(self, size_bytes: int) -> None:
        """Wait for room for that many more bytes of the file; TooManyUploads, StorageUnavailable."""
        if not self.authenticated:
            await self._budget.take(self, size_bytes)
        await self.space.take(size_bytes)

    @contextmanager
    def verification(self) -> Iterator[None]:
        """While its password is verified, an upload does not give way: the password may be right."""
        if self.evicted and not self._limit.expired():
            self._limit.reschedule(None)
            self._budget.reinstate(self)
        self.verifying += 1
        try:
            yield
        finally:
            self.verifying -= 1

    async def authenticate(self) -> None:
        """Note that the password is right: leave the budget, and reserve the whole size. StorageUnavailable."""
        if self.authenticated:
            return
        self.authenticated = True
        self._budget.leave(self)
        await self.space.reserve(self.size_bytes)
        await self._budget.shrink()

    def evict(self) -> None:
        """Let the block of this upload end with TooManyUploads, wherever it is."""
        self.evicted = True
        self._limit.reschedule(asyncio.get_running_loop().time())


class UploadBudget:
    """The bytes of all uploads whose password is not known yet: at most `max_bytes`, and half of the spare disk space.

    Uploads of addresses that authenticated before have a quarter for themselves, and are never refused for those of
    strangers. Where there is no room, the oldest upload gives way: one that gets its password before a budget's worth
    of newer bytes has arrived is not refused, however many others hold on to what they have.
    """

    def __init__(
        self, space: DiskSpace, known: KnownAddresses, clock: Clock, *, max_bytes: MaxUnauthenticatedBytes
    ) -> None:
        self.space = space
        self._known = known
        self._clock = clock
        self._max_bytes = max_bytes
        self._uploads: dict[Upload, None] = {}
        """Those that hold bytes, the oldest first."""

        self._held = {True: 0, False: 0}
        self._leaving = {True: 0, False: 0}
        """Bytes of uploads from known and from unknown addresses, and how many of them are of evicted ones."""

        self._by_address: dict[str, int] = {}
        self._paid_until = timedelta(0)
        """When what strangers have sent would have arrived at their maximum speed; monotonic."""

        self._changed = asyncio.Event()

    @property
    def held_bytes(self) -> int:
        """Bytes that uploads hold whose password is not known."""
        return sum(self._held.values())

    @asynccontextmanager
    async def upload(self, address: str, *, size_bytes: int) -> AsyncIterator[Upload]:
        """Receive an upload of an announced size (0: none) in this block; its file is complete or removed at the end.

        Raises TooManyUploads where the upload has to give way.
        """
        limit = asyncio.timeout(None)
        upload, kept = Upload(self, address, size_bytes, limit), False
        try:
            async with limit:
                yield upload
            kept = True
        except TimeoutError:
            if not upload.evicted:
                raise
            raise _refusal("It gave way to others") from None
        finally:
            self.leave(upload)
            upload.space.close(kept=kept)

    async def take(self, upload: Upload, size_bytes: int) -> None:
        """Wait for room for these bytes; older uploads give way. TooManyUploads."""
        give_up_at = self._clock.monotonic() + MAX_WAIT
        if upload not in self._uploads:
            await self._begin(upload, give_up_at)
        if not upload.from_known:
            await self._pace(size_bytes)
        give_up_at = self._clock.monotonic() + MAX_WAIT
        while not self._fits(upload, size_bytes, limit := await self._limit(), after_evictions=False):
            while not self._fits(upload, size_bytes, limit, after_evictions=True):
                oldest = self._oldest(include_known=upload.from_known)
                if oldest is not None and oldest is not upload:
                    self._evict(oldest)
                elif any(other.verifying for other in self._uploads):
                    break  # those are about to leave
                else:
                    raise _refusal("It is the oldest of too many")
            await self._change(give_up_at)
        if upload.evicted:
            raise _refusal("It gave way to others")
        upload.held_bytes += size_bytes
        self._held[upload.from_known] += size_bytes

    def leave(self, upload: Upload) -> None:
        """Release what an upload holds."""
        if upload not in self._uploads:
            return
        del self._uploads[upload]
        self._held[upload.from_known] -= upload.held_bytes
        if upload.evicted:
            self._leaving[upload.from_known] -= upload.held_bytes
        host = host_part(upload.address)
        self._by_address[host] -= 1
        if not self._by_address[host]:
            del self._by_address[host]
        self._changed.set()
        self._changed = asyncio.Event()

    def reinstate(self, upload: Upload) -> None:
        """Take an eviction back that has not ended the upload yet."""
        upload.evicted = False
        self._leaving[upload.from_known] -= upload.held_bytes

    async def shrink(self) -> None:
        """Evict the oldest uploads until the others fit into what spare disk space is left."""
        limit = await self._limit()
        while self.held_bytes - sum(self._leaving.values()) > limit:
            oldest = self._oldest(include_known=True)
            if oldest is None:
                return
            self._evict(oldest)

    async def _begin(self, upload: Upload, give_up_at: timedelta) -> None:
        """Admit a further upload of its address. TooManyUploads."""
        host, limit = host_part(upload.address), await self._limit()
        while not (known := upload.address in self._known) and self._by_address.get(host, 0) >= MAX_UPLOADS_PER_ADDRESS:
            await self._change(give_up_at)
        upload.from_known = known
        if upload.size_bytes > self._share(upload, limit):
            raise _refusal("It is larger than all of them may be")
        self._by_address[host] = self._by_address.get(host, 0) + 1
        self._uploads[upload] = None

    async def _pace(self, size_bytes: int) -> None:
        """Wait until strangers may have sent that much."""
        now = self._clock.monotonic()
        self._paid_until = max(self._paid_until, now) + timedelta(seconds=size_bytes / MAX_BYTES_PER_SECOND)
        if self._paid_until - now > BURST:
            await self._clock.sleep(self._paid_until - now - BURST)

    async def _limit(self) -> int:
        spare = await self.space.spare_bytes()
        return self._max_bytes if spare is None else min(self._max_bytes, max(spare // 2, 0))

    def _share(self, upload: Upload, limit: int) -> int:
        return limit if upload.from_known else limit - limit // 4

    def _fits(self, upload: Upload, size_bytes: int, limit: int, *, after_evictions: bool) -> bool:
        known, strangers = (self._held[kind] - after_evictions * self._leaving[kind] for kind in (True, False))
        fits = known + strangers + size_bytes <= limit
        return fits and (upload.from_known or strangers + size_bytes <= self._share(upload, limit))

    def _oldest(self, *, include_known: bool) -> Upload | None:
        """The next one to give way: strangers first."""
        can_go = [upload for upload in self._uploads if not upload.evicted and not upload.verifying]
        strangers = (upload for upload in can_go if not upload.from_known)
        return next(strangers, next(iter(can_go), None) if include_known else None)

    def _evict(self, upload: Upload) -> None:
        upload.evict()
        self._leaving[upload.from_known] += upload.held_bytes

    async def _change(self, give_up_at: timedelta) -> None:
        """Wait until an upload has left. TooManyUploads at the given time."""
        left = give_up_at - self._clock.monotonic()
        if left <= timedelta(0):
            raise _refusal("There are too many of them")
        await race(self._changed.wait(), self._clock.sleep(left))


def _refusal(reason: str) -> TooManyUploads:
    return TooManyUploads(
        f"The upload was refused before its password was known. {reason}. {_ADVICE}", retry_after=_RETRY_AFTER_SECONDS
    )
