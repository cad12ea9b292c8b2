"""What the stored jobs say about the slots, for the overview of all slots."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from ...domain.slots.activity import SlotRecords


class SlotRecordReader(Protocol):
    """Jobs summed by slot."""

    async def read(self, *, now: datetime, ended_since: datetime) -> SlotRecords:
        """Jobs that ended since a moment, live ones, newest photos and pictures of every slot. QueueUnavailable.

        Jobs that were erased or pruned meanwhile may be missing. Test runs count only as `newest` pictures, which are
        those that have not expired at `now`.
        """
        ...
