"""Memory that this process has freed goes back to the system: glibc keeps it for the next photo otherwise."""

from __future__ import annotations

import asyncio
import ctypes
import resource
from datetime import timedelta
from pathlib import Path

from ..core.ports.clock import Clock

_LOOK = timedelta(seconds=10)

_WORTH_BYTES = 16 * 1024 * 1024
"""Growth since the last time above which giving back is worth its milliseconds."""

_M_ARENA_MAX = -8
_ARENAS = 2
"""Heaps of this process; glibc would make eight for each processor, each of which keeps what was freed in it."""

_STATUS = Path("/proc/self/statm")


def limit_arenas() -> None:
    """Keep the number of heaps small; before threads are started. Does nothing where the C library is not glibc."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, _ARENAS)


async def give_back_memory(clock: Clock) -> None:
    """Give free memory back whenever the process has grown and grows no further. Never returns, except without glibc."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is None or not _STATUS.exists():
        return
    last = kept = _resident_bytes()
    while True:
        await clock.sleep(_LOOK)
        now = _resident_bytes()
        if now <= last and now - kept > _WORTH_BYTES:
            await asyncio.to_thread(trim, 0)
            now = kept = _resident_bytes()
        kept = min(kept, now)
        last = now


def _resident_bytes() -> int:
    return int(_STATUS.read_text().split()[1]) * resource.getpagesize()
