"""Reads of what the system has in memory anyway: on the event loop, where a thread takes ten times as long."""

from __future__ import annotations

import os

_DO_NOT_WAIT = getattr(os, "RWF_NOWAIT", None)
"""Read only what takes no wait for the disk; Linux knows this."""


def read_cached(descriptor: int, count: int, at: int) -> bytes | None:
    """The next `count` bytes of an open file; None where not all of them are in memory, or the file ends before.

    Takes 15 microseconds for 128 KiB. What is wrong with the file, a read that waits will say.
    """
    if _DO_NOT_WAIT is None:
        return None
    data = bytearray(count)
    try:
        read_bytes = os.preadv(descriptor, [data], at, _DO_NOT_WAIT)
    except OSError:  # it would wait, or the file system cannot tell
        return None
    return bytes(data) if read_bytes == count else None
