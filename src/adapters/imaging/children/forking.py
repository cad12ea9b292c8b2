"""The fork server: imports the image libraries once, forks children, kills them, reports their end.

It never opens a picture and has one thread, so that a fork is safe and takes two milliseconds. It ends, and all
children with it, when its owner has ended: its control stream ends then.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import resource
import select
import signal
import socket
import sys
from collections.abc import Sequence
from typing import NamedTuple, NoReturn

from .child import run_child
from .control import FORK, received_command
from .messages import Ended, NotStarted, framed

_OWNER_CHECK_MILLISECONDS = 5_000
"""How often the owner is looked for: a copy of its end of the stream may live on in another process."""

_MAX_OPEN_FILES = 256


class _Forked(NamedTuple):
    number: int
    connection: socket.socket


class _ForkServer:
    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._owner = os.getppid()
        self._pid = os.getpid()
        self._children: dict[int, _Forked] = {}
        self._wake, wake_end = os.pipe()
        os.set_blocking(self._wake, False)
        os.set_blocking(wake_end, False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(wake_end, warn_on_full_buffer=False)

    def run(self) -> None:
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        while os.getppid() == self._owner:
            ready = {file for file, _ in poll.poll(_OWNER_CHECK_MILLISECONDS)}
            if self._wake in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wake, 4096)
            self._reap(os.WNOHANG)
            if self._control.fileno() in ready and not self._obey():
                break
        for pid in self._children:
            os.kill(pid, signal.SIGKILL)
        while self._children:
            self._reap(0)

    def _obey(self) -> bool:
        """Carry out a command; False once there are no more."""
        if (received := received_command(self._control)) is None:
            return False
        what, number, files = received
        if what == FORK:
            self._fork(number, socket.socket(fileno=files[0]))
        else:
            for pid, child in self._children.items():
                if child.number == number:
                    os.kill(pid, signal.SIGKILL)
        return True

    def _fork(self, number: int, connection: socket.socket) -> None:
        try:
            pid = os.fork()
        except OSError as error:
            _send_last(connection, NotStarted(f"no process can be forked: {error.strerror}"))
            return
        if pid == 0:
            self._become_child(connection)
        self._children[pid] = _Forked(number, connection)

    def _become_child(self, connection: socket.socket) -> NoReturn:
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.closerange(3, connection.fileno())
            os.closerange(connection.fileno() + 1, _MAX_OPEN_FILES)
            run_child(connection, self._pid)
        finally:
            os._exit(1)

    def _reap(self, options: int) -> None:
        """Report the children that have ended: a connection ends when nothing of its child is left."""
        while self._children:
            pid, status = os.waitpid(-1, options)
            if pid == 0:
                return
            _send_last(self._children.pop(pid).connection, Ended(os.waitstatus_to_exitcode(status)))


def _send_last(connection: socket.socket, message: Ended | NotStarted) -> None:
    with connection, contextlib.suppress(OSError):  # the owner is no longer interested
        connection.send(framed(message), socket.MSG_DONTWAIT)


def main(arguments: Sequence[str]) -> None:
    """Run with the number of the control stream's file, and the modules to import."""
    control = socket.socket(fileno=int(arguments[0]))
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the owner decides when its work is done
    resource.setrlimit(resource.RLIMIT_NOFILE, (_MAX_OPEN_FILES, _MAX_OPEN_FILES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for name in arguments[1:]:
        importlib.import_module(name)
    # What libraries say of pictures goes nowhere: strangers could fill a log with it.
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, sys.stderr.fileno())
    os.close(nothing)
    gc.collect()
    gc.freeze()
    _ForkServer(control).run()


if __name__ == "__main__":
    main(sys.argv[1:])
