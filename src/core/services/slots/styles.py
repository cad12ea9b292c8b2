"""Slots by the style that a guest has chosen: a survey's answer in the address is the name of a slot."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

from ...domain.errors import SlotNotFound
from ...domain.outside_text import cut
from ...ports.clock import Clock
from ...ports.repositories.slot_repository import SlotRepository
from ..support.refreshing_value import RefreshingValue

MAX_STYLE_CHARS = 200


class SlotStyles:
    """The active slots by their names. Methods may raise QueueUnavailable."""

    def __init__(self, slots: SlotRepository, clock: Clock) -> None:
        self._slots = slots
        self._ids = RefreshingValue(self._read, clock, what="the names of slots")

    async def slot_id(self, style: str) -> str:
        """Return the id of the active slot with this name, or with this id; the first one where several have it.

        Case, spaces and punctuation do not count. SlotNotFound.
        """
        style = style[:MAX_STYLE_CHARS]
        found = (await self._ids.last_known()).get(plain(style))
        if found is None:
            raise SlotNotFound(f"No active slot is named {cut(style, 60)!r}. Give a slot this name.")
        return found

    async def _read(self) -> Mapping[str, str]:
        active = [slot for slot in await self._slots.all() if slot.active]
        ids = {plain(slot.name): slot.id for slot in reversed(active)} | {plain(slot.id): slot.id for slot in active}
        ids.pop("", None)
        return ids


def plain(text: str) -> str:
    """Return the letters and digits of a text, without regard to case."""
    return "".join(letter for letter in unicodedata.normalize("NFKC", text).casefold() if letter.isalnum())
