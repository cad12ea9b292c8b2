"""A world with cameras that send ingest passwords, and a slow hash that a test holds back."""

from __future__ import annotations

import asyncio

import bcrypt
import pytest
from photochanger.core.domain.errors import InvalidPassword
from photochanger.core.domain.settings import StoredPassword
from photochanger.core.domain.slots.slot import Slot
from photochanger.core.ports.repositories.settings_repository import SettingsUpdate

from tests.support.world import CountingHasher, World

PASSWORD = "correct horse"
HERE, THERE = "192.0.2.1", "192.0.2.2"
SLOT, OWN_SLOT = "slot-001", "slot-002"


class Gate:
    """Holds every check by the slow hash back until it is opened."""

    def __init__(self, hasher: CountingHasher) -> None:
        self.opened = asyncio.Event()
        self.checked: list[str] = []
        self._verify = hasher.verify
        hasher.verify = self._held  # type: ignore[method-assign]

    async def _held(self, password: str, hash: str) -> bool:
        self.checked.append(password)
        await self.opened.wait()
        return await self._verify(password, hash)


class CameraWorld(World):
    """A world with two slots; `check` sends a password as a camera does."""

    async def check(self, password: str = PASSWORD, *, address: str = HERE, slot_id: str = SLOT) -> None:
        slot: Slot = await self.slots.get(slot_id)
        await self.auth.check_ingest_password(password, slot=slot, address=address)

    async def fail(self, times: int = 1, *, address: str = HERE, slot_id: str = SLOT) -> None:
        for number in range(times):
            with pytest.raises(InvalidPassword):
                await self.check(f"wrong {number}", address=address, slot_id=slot_id)

    async def bring_along(self, password: str = PASSWORD, *, hash: str | None = None) -> None:
        """Store the hash of a password without a digest, as an import does."""
        made = StoredPassword(hash or await self.hasher.hash(password), self.clock.now(), "somebody")
        await self.rotate(made)

    async def rotate(self, password: StoredPassword) -> None:
        """Store a password as another process does."""
        stored = await self.settings_records.get()
        update = SettingsUpdate(settings=stored, ingest_password=password)
        await self.settings_records.save(update, expected_version=stored.version)


async def camera_world(password: str | None = PASSWORD) -> CameraWorld:
    """A world in which this ingest password was set."""
    world = CameraWorld()
    for slot_id in (SLOT, OWN_SLOT):
        await world.slot(id=slot_id)
    if password is not None:
        await world.settings.ensure_ingest_password(password)
    return world


def restarted(world: CameraWorld) -> CameraWorld:
    """Another process on the same data: nothing is known in it."""
    other = CameraWorld()
    other.slots._slots = world.slots._slots
    other.settings_records.inner._password = world.settings_records.inner._password
    other.failures.inner._counts = world.failures.inner._counts
    return other


def imported_hash(password: str) -> str:
    """A hash of another program."""
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()
