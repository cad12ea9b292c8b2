"""Memory that this process has freed goes back to the system: glibc keeps it for the next photo otherwise."""

from __future__ import annotations

import asyncio
import ctypes
import resource
import sys
from datetime import timedelta
from pathlib import Path

from ...core.ports.clock import Clock

_LOOK = timedelta(seconds=10)

_WORTH_BYTES = 16 * 1024 * 1024
"""Growth since the last time above which giving back is worth its milliseconds."""

_M_ARENA_MAX = -8
_ARENAS = 2
"""Heaps of this process; glibc would make eight for each processor, each of which keeps what was freed in it."""


def limit_arenas() -> None:
    """Keep the number of heaps small; before threads are started. Does nothing where the C library is not glibc."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, _ARENAS)


async def give_back_memory(clock: Clock) -> None:
    """Give free memory back whenever the process has grown and grows no further.

    Returns at once where the C library is not glibc.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is None or sys.platform != "linux":
        return
    last = kept = resident_bytes()
    while True:
        await clock.sleep(_LOOK)
        now = resident_bytes()
        if now <= last and now - kept > _WORTH_BYTES:
            await asyncio.to_thread(trim, 0)
            now = kept = resident_bytes()
        kept = min(kept, now)
        last = now


def resident_bytes() -> int:
    """Memory of this process now; Linux only."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
