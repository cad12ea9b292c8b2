"""The minimum of free disk space: below it photos are refused, so that running jobs can still store theirs.

Uploads under way reserve what they have announced: together they cannot pass the minimum either.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NewType

import msgspec

from ...domain.errors import StorageUnavailable
from ...ports.clock import Clock
from ...ports.media_store import MediaStore
from ..support.refreshing_value import RefreshingValue

MinFreeBytes = NewType("MinFreeBytes", int)
"""Free space of the media store below which photos are refused; 0 refuses none."""

_MIB = 1024 * 1024

_GROWTH_BYTES = _MIB
"""By how much the reservation of an upload grows that announced no size, or less than it sends."""


class SpaceStatus(msgspec.Struct, frozen=True):
    """Free space of the media store (None: unknown) and its minimum, in bytes."""

    free_bytes: int | None
    floor_bytes: int

    @property
    def enough(self) -> bool:
        """Whether pictures can be received."""
        return self.free_bytes is None or self.free_bytes >= self.floor_bytes


class SpaceReservation:
    """What an upload takes of the free space. Close it when its file is complete or removed."""

    def __init__(self, space: DiskSpace) -> None:
        self._space = space
        self.reserved_bytes: int | None = None
        """What it has been promised in all; None: nothing, its bytes have to yield to those that have."""

        self.written_bytes = 0
        self.counted_bytes = 0
        """How much of the written bytes is missing already in the last reading of the free space."""

        self.closed = False

    async def reserve(self, size_bytes: int) -> None:
        """Promise this upload its total size; StorageUnavailable."""
        await self._space.promise(self, max(size_bytes, self.written_bytes))

    async def take(self, size_bytes: int) -> None:
        """Count bytes that arrived; a promise grows with them. StorageUnavailable."""
        written = self.written_bytes + size_bytes
        if self.reserved_bytes is not None and written > self.reserved_bytes:
            await self._space.promise(self, written + _GROWTH_BYTES)
        self.written_bytes = written

    def close(self, *, kept: bool) -> None:
        """Give back what was not written; `kept`: the file stays."""
        self._space.close(self, kept=kept)


class DiskSpace:
    """Free space of the media store, read at most once a second. `floor_bytes` 0 refuses nothing."""

    def __init__(self, store: MediaStore, clock: Clock, *, floor_bytes: MinFreeBytes) -> None:
        self._store = store
        self._floor_bytes = floor_bytes
        self._reservations: set[SpaceReservation] = set()
        self._free: RefreshingValue[int | None] = RefreshingValue(
            self._read, clock, what="the free space of the media store"
        )

    @property
    def floor_bytes(self) -> int:
        """Minimum of free bytes."""
        return self._floor_bytes

    async def room(self) -> SpaceStatus:
        """The current space; StorageUnavailable where the store cannot be read."""
        return SpaceStatus(await self._free.get(), self._floor_bytes)

    async def require(self) -> None:
        """Raise StorageUnavailable where less than the minimum is free. What has to yield counts as free."""
        free = await self._free.get()
        if free is not None and free + self._yielding() < self._floor_bytes:
            raise self._nearly_full(free)

    async def spare_bytes(self) -> int | None:
        """Space above the minimum that is not promised; what has to yield counts as free. None: unbounded."""
        free = await self._free.get()
        if free is None or not self._floor_bytes:
            return None
        promised = sum(one.reserved_bytes - one.counted_bytes for one in self._reservations if one.reserved_bytes)
        return free + self._yielding() - promised - self._floor_bytes

    def begin(self) -> SpaceReservation:
        """An upload that is promised nothing yet."""
        reservation = SpaceReservation(self)
        self._reservations.add(reservation)
        return reservation

    @asynccontextmanager
    async def reserve(self, size_bytes: int) -> AsyncIterator[SpaceReservation]:
        """The reservation of an upload of this size (0: not announced); StorageUnavailable."""
        reservation, kept = self.begin(), False
        try:
            await reservation.reserve(size_bytes)
            yield reservation
            kept = True
        finally:
            reservation.close(kept=kept)

    async def promise(self, reservation: SpaceReservation, size_bytes: int) -> None:
        """Promise an upload its total size; StorageUnavailable."""
        spare = await self.spare_bytes()
        already = reservation.reserved_bytes or 0
        if spare is not None and size_bytes - already > spare:
            raise self._nearly_full(await self._free.get() or 0)
        reservation.reserved_bytes = size_bytes

    def close(self, reservation: SpaceReservation, *, kept: bool) -> None:
        """End an upload. A file that stays is counted until a reading of the free space has seen all of it."""
        reservation.closed = True
        reservation.reserved_bytes = reservation.written_bytes
        if not kept or reservation.counted_bytes == reservation.written_bytes:
            self._reservations.discard(reservation)

    async def _read(self) -> int | None:
        begun = [(one, one.written_bytes, one.closed) for one in self._reservations]
        free = await self._store.free_bytes()
        for one, written_bytes, closed in begun:
            one.counted_bytes = written_bytes
            if closed:
                self._reservations.discard(one)
        return free

    def _yielding(self) -> int:
        """Bytes on the disk of uploads that are promised nothing."""
        return sum(one.counted_bytes for one in self._reservations if one.reserved_bytes is None)

    def _nearly_full(self, free: int) -> StorageUnavailable:
        return StorageUnavailable(
            f"The media store is nearly full: {free // _MIB} MiB free, part of it reserved for uploads under way;"
            f" {self._floor_bytes // _MIB} MiB must stay free. Delete files or add disk space."
        )
