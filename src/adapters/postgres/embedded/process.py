"""The end of processes that may have been started by another one."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import select
import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

_log = logging.getLogger("photochanger.postgres")

_PROCESSES = Path("/proc")
_PROGRAM = "postgres"
_KILL_LIMIT = timedelta(seconds=5)
"""How long killed processes may take to end: one that waits for a disk does not end before."""


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
    reap(pid)


def has_ended(process: int, *, within: timedelta) -> bool:
    """Wait for the end of the process of this descriptor; whether it came in this time."""
    waiting = select.poll()  # `select` takes no descriptor above 1023
    waiting.register(process, select.POLLIN)
    return bool(waiting.poll(within / timedelta(milliseconds=1)))


def works_in(pid: int, data: Path) -> bool:
    """Whether a process has this folder as its working directory, as a server and its children have their data."""
    try:
        return (_PROCESSES / str(pid) / "cwd").samefile(data)
    except OSError:
        return False


def end_orphans(data: Path) -> None:
    """Kill what a killed server has left running on this data; a new one cannot start before they have ended.

    They notice by themselves that their server is gone, but only after seconds. Without a server their memory is of no
    use to anyone, so a kill loses nothing. Call it only where no server runs on the data. Does nothing on systems
    without `/proc`.
    """
    with contextlib.ExitStack() as opened:
        killed: list[int] = []
        for pid in _orphans(data):
            with contextlib.suppress(ProcessLookupError):
                process = os.pidfd_open(pid)
                opened.callback(os.close, process)
                if works_in(pid, data):  # still the same process: its number was not given to another one meanwhile
                    signal.pidfd_send_signal(process, signal.SIGKILL)
                    killed.append(process)
        if killed:
            _log.warning("%d processes of an embedded PostgreSQL that was killed were left; ended them", len(killed))
        for process in killed:
            has_ended(process, within=_KILL_LIMIT)


def remove_locks(data: Path, socket_folder: Path) -> None:
    """Remove the lock files of a server that has ended. Its process number may belong to another process of the account
    now, which PostgreSQL would take for the server, and not start.

    Call it only where no server runs on the data, after `end_orphans`. Does nothing on systems without `/proc`, where
    that cannot be known.
    """
    if _PROCESSES.is_dir():
        for lock in (data / "postmaster.pid", *socket_folder.glob(".s.PGSQL.*.lock")):
            lock.unlink(missing_ok=True)


def _orphans(data: Path) -> Iterator[int]:
    if not _PROCESSES.is_dir():
        return
    for name in os.listdir(_PROCESSES):
        if name.isdecimal() and works_in(pid := int(name), data) and _program(pid) == _PROGRAM:
            yield pid


def _program(pid: int) -> str:
    try:
        return (_PROCESSES / str(pid) / "comm").read_text().strip()
    except OSError:
        return ""


def reap(pid: int) -> None:
    """Take the end of a child: until then its number looks as if it were alive."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
