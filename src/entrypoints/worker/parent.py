"""The end of a worker process with the process that started it, and by its order."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable
from datetime import timedelta

from ..process.guard import ProcessGuard

_STDIN = 0
_MAX_ORDER_BYTES = 4096
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


def stop_order(left: timedelta) -> bytes:
    """What the parent writes to have its worker stop, with the time that is left for its jobs."""
    return b"%.3f\n" % left.total_seconds()


class ParentOrders:
    """Stops this process when its parent says so, or ends: it holds the other end of standard input.

    The parent may end while this process is stopped (SIGSTOP, a debugger): on Linux the kernel then continues it.
    """

    def __init__(self, guard: ProcessGuard) -> None:
        self._guard = guard
        self._lock = threading.Lock()
        self._left: timedelta | None = None
        self._obey: Callable[[timedelta], None] | None = None
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGCONT)
        threading.Thread(target=self._read, name="parent watch", daemon=True).start()

    def obey(self, stop: Callable[[timedelta], None]) -> None:
        """Call `stop` on the running event loop with the time that the parent leaves for running jobs.

        That is after the function that the guard calls; a parent that has ended names no time.
        """
        loop = asyncio.get_running_loop()

        def from_thread(left: timedelta) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: there is nothing left to stop
                loop.call_soon_threadsafe(stop, left)

        with self._lock:
            self._obey = from_thread
            if self._left is not None:
                stop(self._left)

    def _read(self) -> None:
        while order := os.read(_STDIN, _MAX_ORDER_BYTES):  # not `sys.stdin`: its lock would block the interpreter's end
            left = timedelta(seconds=float(order.split()[-1]))
            self._guard.stop()
            with self._lock:
                self._left = left
                if self._obey is not None:
                    self._obey(left)
        self._guard.stop()
