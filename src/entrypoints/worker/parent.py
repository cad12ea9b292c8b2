"""The end of a worker process with the process that started it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import threading

from ..process_guard import ProcessGuard

_STDIN = 0
_PR_SET_PDEATHSIG = 1


_OPEN_FILES = "/dev/fd"


def keep_files_from_children() -> None:
    """Let no child of this process inherit more than its standard streams.

    Python opens nothing inheritable, but libuv leaves copies of the standard streams to a process that it starts.
    """
    for name in os.listdir(_OPEN_FILES):
        if int(name) > 2:
            with contextlib.suppress(OSError):  # the one that listed the folder is closed
                os.set_inheritable(int(name), False)


def end_with_parent(guard: ProcessGuard) -> None:
    """Stop this process when its parent ends, which holds the other end of its standard input.

    The parent may end while this process is stopped (SIGSTOP, a debugger): on Linux the kernel then continues it.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGCONT)
    threading.Thread(target=_wait_for_end, args=(guard,), name="parent watch", daemon=True).start()


def _wait_for_end(guard: ProcessGuard) -> None:
    while os.read(_STDIN, 4096):  # not `sys.stdin`: its lock would block the end of the interpreter
        pass
    guard.stop()
