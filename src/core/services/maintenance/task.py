"""A step of the regular maintenance, owned by the subject whose data it deletes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec

BATCH = 200
"""How many rows or files one step deletes before other work gets its turn."""


class MaintenanceTask(msgspec.Struct, frozen=True):
    """Deletes what has expired.

    Attributes:
        name: of what is deleted, as in reports and metrics (`media_objects`).
        run: returns how much was deleted; may raise QueueUnavailable and StorageUnavailable.
    """

    name: str
    run: Callable[[], Awaitable[int]]


async def in_batches(step: Callable[[], Awaitable[int]], *, size: int = BATCH) -> int:
    """Repeat a step while it handles whole batches; returns the sum of what it returned."""
    total = 0
    while done := await step():
        total += done
        await asyncio.sleep(0)  # let requests through between batches
        if done < size:
            break
    return total
