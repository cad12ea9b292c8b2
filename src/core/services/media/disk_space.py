"""The floor under the media store's free space: photos are refused while there is still room for what is under way."""

from __future__ import annotations

import msgspec

from ...domain.errors import StorageUnavailable
from ...ports.clock import Clock
from ...ports.media_store import MediaStore
from ..support.refreshing_value import RefreshingValue

_MIB = 1024 * 1024


class SpaceStatus(msgspec.Struct, frozen=True):
    """How much space is left (None: the store cannot tell), and how much has to be."""

    free_bytes: int | None
    floor_bytes: int

    @property
    def enough(self) -> bool:
        """Whether pictures may come in."""
        return self.free_bytes is None or self.free_bytes >= self.floor_bytes


class DiskSpace:
    """Knows the room in the store, looked at once a second at most. `floor_bytes` 0 refuses nothing."""

    def __init__(self, store: MediaStore, clock: Clock, *, floor_bytes: int) -> None:
        self._floor_bytes = floor_bytes
        self._free: RefreshingValue[int | None] = RefreshingValue(
            store.free_bytes, clock, what="the free space of the media store"
        )

    @property
    def floor_bytes(self) -> int:
        """How much has to be free."""
        return self._floor_bytes

    async def room(self) -> SpaceStatus:
        """The room there is; StorageUnavailable where the store cannot be asked."""
        return SpaceStatus(await self._free.get(), self._floor_bytes)

    async def require(self) -> None:
        """StorageUnavailable where less than the floor is left."""
        room = await self.room()
        if room.free_bytes is not None and not room.enough:
            raise StorageUnavailable(
                f"The media store is nearly full: {room.free_bytes // _MIB} MiB are free,"
                f" and no photo is taken below {room.floor_bytes // _MIB} MiB."
            )
