"""The minimum of free disk space: below it photos are refused, so that running jobs can still store theirs."""

from __future__ import annotations

from typing import NewType

import msgspec

from ...domain.errors import StorageUnavailable
from ...ports.clock import Clock
from ...ports.media_store import MediaStore
from ..support.refreshing_value import RefreshingValue

MinFreeBytes = NewType("MinFreeBytes", int)
"""Free space of the media store below which photos are refused; 0 refuses none."""

_MIB = 1024 * 1024


class SpaceStatus(msgspec.Struct, frozen=True):
    """Free space of the media store (None: unknown) and its minimum, in bytes."""

    free_bytes: int | None
    floor_bytes: int

    @property
    def enough(self) -> bool:
        """Whether pictures can be received."""
        return self.free_bytes is None or self.free_bytes >= self.floor_bytes


class DiskSpace:
    """Free space of the media store, read at most once a second. `floor_bytes` 0 refuses nothing."""

    def __init__(self, store: MediaStore, clock: Clock, *, floor_bytes: MinFreeBytes) -> None:
        self._floor_bytes = floor_bytes
        self._free: RefreshingValue[int | None] = RefreshingValue(
            store.free_bytes, clock, what="the free space of the media store"
        )

    @property
    def floor_bytes(self) -> int:
        """Minimum of free bytes."""
        return self._floor_bytes

    async def room(self) -> SpaceStatus:
        """The current space; StorageUnavailable where the store cannot be read."""
        return SpaceStatus(await self._free.get(), self._floor_bytes)

    async def require(self) -> None:
        """Raise StorageUnavailable where less than the minimum is free."""
        room = await self.room()
        if room.free_bytes is not None and not room.enough:
            raise StorageUnavailable(
                f"The media store is nearly full: {room.free_bytes // _MIB} MiB free,"
                f" {room.floor_bytes // _MIB} MiB required. Delete files or add disk space."
            )
