"""A step of the regular maintenance, owned by the subject whose data it deletes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

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


class Batch(NamedTuple):
    """A step on rows that hosts may handle at the same time: how many it found, and how many it was the first for."""

    found: int
    done: int


async def in_batches(step: Callable[[], Awaitable[int]], *, size: int = BATCH) -> int:
    """Repeat a step while it handles whole batches; returns the sum of what it returned."""
    total = 0
    while done := await step():
        total += done
        await asyncio.sleep(0)  # let requests through between batches
        if done < size:
            break
    return total


async def in_shared_batches(step: Callable[[], Awaitable[Batch]], *, size: int = BATCH) -> int:
    """Repeat a step while it finds whole batches; returns the sum of what it was the first for."""
    total = 0
    while True:
        batch = await step()
        total += batch.done
        if batch.found < size:
            return total
        await asyncio.sleep(0)  # let requests through between batches
