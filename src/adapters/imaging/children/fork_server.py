"""The process that children are forked from, as its owner sees it: fork a child, kill a child, end."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence

from .control import FORK, KILL, command

_MODULE = f"{__package__}.forking"

_KEPT_VARIABLES = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH", "PYTHONHOME", "LANG", "LC_ALL")
"""What the interpreter and its libraries may need. Everything else stays away from children: it may be secret."""

_BOUNDS = {"MALLOC_ARENA_MAX": "2", "VIPS_CONCURRENCY": str(min(os.cpu_count() or 1, 4))}
"""Fewer heaps, each of which keeps what is free in it, and fewer threads, whose stacks count as memory."""

_END_LIMIT_SECONDS = 5.0


class NoForkServer(Exception):
    """The fork server cannot be started."""


class ForkServer:
    """Starts the process when the first child is asked for. Methods block for milliseconds; safe from any thread.

    `preload`: modules that the process imports before it forks, so that children have them at once.
    """

    def __init__(self, preload: Sequence[str] = ()) -> None:
        self._preload = tuple(preload)
        self._lock = threading.Lock()
        self._control: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._next = 0

    @property
    def pid(self) -> int | None:
        """The process that runs."""
        process = self._process
        return process.pid if process is not None else None

    def fork(self) -> tuple[int, socket.socket]:
        """Have a child forked; its number, and the connection to it. It runs a little later. NoForkServer."""
        with self._lock:
            try:
                return self._fork(self._running())
            except OSError:  # the process has ended; another one is started, once
                self._end()
            try:
                return self._fork(self._running())
            except OSError as error:
                self._end()
                raise NoForkServer(str(error)) from error

    def kill(self, number: int) -> None:
        """Kill a child, whatever it does. One that has ended is left alone."""
        with self._lock:
            if self._control is not None:
                with contextlib.suppress(OSError):  # the process has ended, and its children with it
                    self._control.send(command(KILL, number), socket.MSG_DONTWAIT)

    def close(self) -> None:
        """End the process and its children; blocks until they have ended."""
        with self._lock:
            control, process = self._control, self._process
            self._control = self._process = None
        _end(control, process)

    def _running(self) -> socket.socket:
        if self._control is None:
            self._control = self._start()
        return self._control

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self._process = subprocess.Popen(
                    (_interpreter(), "-P", "-m", _MODULE, str(theirs.fileno()), *self._preload),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    env=_environment(),
                    pass_fds=(theirs.fileno(),),
                    cwd="/",
                )
            except BaseException:
                ours.close()
                raise
        return ours

    def _fork(self, control: socket.socket) -> tuple[int, socket.socket]:
        self._next += 1
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                ours.setblocking(False)
                socket.send_fds(control, [command(FORK, self._next)], [theirs.fileno()])
            except BaseException:
                ours.close()
                raise
        return self._next, ours

    def _end(self) -> None:
        control, process = self._control, self._process
        self._control = self._process = None
        _end(control, process)


def _end(control: socket.socket | None, process: subprocess.Popen[bytes] | None) -> None:
    if control is not None:
        control.close()
    if process is not None:
        try:
            process.wait(_END_LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _interpreter() -> str:
    """The Python of this process; a host program that is none has named one for multiprocessing."""
    if "multiprocessing.spawn" in sys.modules:
        chosen = sys.modules["multiprocessing.spawn"].get_executable()
        return os.fsdecode(chosen) if chosen else sys.executable
    return sys.executable


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    path = os.pathsep.join(os.path.abspath(entry) for entry in sys.path)
    return kept | _BOUNDS | {"PYTHONPATH": path, "PYTHONSAFEPATH": "1"}
