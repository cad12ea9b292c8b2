"""The end of a process that may have been started by another one."""

from __future__ import annotations

import asyncio
import contextlib
import os


async def end_of_process(pid: int) -> None:
    """Wait until the process has ended; returns immediately where it does not exist."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(process, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(process)
        os.close(process)
    _take(pid)


def _take(pid: int) -> None:
    """Take the end of a child: until then its number looks as if it were alive."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
