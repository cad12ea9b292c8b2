"""The SlotRepository port in memory."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from ...core.errors import SlotNotFound
from ...core.ports.clock import Clock
from ...core.slots import Slot


class MemorySlotRepository:
    """Slots in a dictionary; empty until `add_missing` fills it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._slots: dict[str, Slot] = {}

    async def get(self, slot_id: str) -> Slot:
        try:
            return self._slots[slot_id]
        except KeyError:
            raise SlotNotFound(f"There is no slot {slot_id}.") from None

    async def all(self) -> list[Slot]:
        return [self._slots[slot_id] for slot_id in sorted(self._slots)]

    async def add_missing(self, slots: Collection[Slot]) -> None:
        for slot in slots:
            self._slots.setdefault(slot.id, slot)

    async def save(self, slot: Slot, *, expected_version: int) -> Slot | None:
        if (await self.get(slot.id)).version != expected_version:
            return None
        saved = msgspec.structs.replace(slot, version=expected_version + 1, updated_at=self._clock.now())
        self._slots[slot.id] = saved
        return saved
