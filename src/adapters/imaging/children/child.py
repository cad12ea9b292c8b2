"""What a child process does: one task at a time, each within its limits, until its connection ends."""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import math
import os
import resource
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NoReturn

from .call import Answer, Call
from .limits import MAX_FILE_BYTES, TaskLimits
from .messages import (
    OUT_OF_MEMORY,
    Begun,
    Done,
    Failed,
    FrameBuffer,
    FromChild,
    Granted,
    PixelsClaimed,
    Task,
    ToChild,
    close_files,
    framed,
    message_to_child,
)
from .shared_files import SharedFiles, write_content

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38

_MAX_ERROR_CHARS = 200
_MAX_STACK_CHARS = 4_000


def run_child(connection: socket.socket, fork_server: int) -> NoReturn:
    """Do tasks until the connection ends, or the process `fork_server` does."""
    _confine()
    if os.getppid() != fork_server:  # it has ended before the kernel was asked to report that
        os._exit(0)
    parent, results = _Parent(connection), SharedFiles()
    while True:
        task, files = parent.receive()
        if not isinstance(task, Task):
            raise AssertionError("the parent sends tasks")
        parent.send(Begun())
        try:
            message, made = _done(parent, task, files, results)
        finally:
            close_files(files)
        parent.send(message, made)
        del task, message


class _Parent:
    """The connection to the parent; the process ends where that does."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._connection.setblocking(True)
        self._buffer = FrameBuffer()

    def receive(self) -> tuple[ToChild, list[int]]:
        while (frame := self._buffer.frame()) is None:
            try:
                goes_on = self._buffer.receive(self._connection)
            except ConnectionError:
                goes_on = False
            if not goes_on:
                os._exit(0)
        message = message_to_child(frame)
        return message, self._buffer.take_files(len(message.sizes) if isinstance(message, Task) else 0)

    def send(self, message: FromChild, files: Sequence[int] = ()) -> None:
        frame = framed(message)
        try:
            sent = socket.send_fds(self._connection, [frame], list(files)) if files else self._connection.send(frame)
            self._connection.sendall(frame[sent:])
        except (BrokenPipeError, ConnectionError):
            os._exit(0)


def _done(parent: _Parent, task: Task, files: Sequence[int], results: SharedFiles) -> tuple[FromChild, Sequence[int]]:
    """Do a task: the answer, and the files with its contents."""
    _limit(task.limits, 0)
    try:
        call = Call(task.header, files, task.sizes, partial(_claim, parent, task.limits))
        header, contents = _function(task.work)(call)
        made = [results.file(index) for index in range(len(contents))]
        for file, content in zip(made, contents, strict=True):
            write_content(file, content)
    except MemoryError:
        # Beyond its limit a process is in no state to go on: an allocation that failed elsewhere may have ended it too.
        os._exit(OUT_OF_MEMORY)
    except Exception as error:
        where = "".join(traceback.format_tb(error.__traceback__))[-_MAX_STACK_CHARS:]
        return Failed(type(error).__name__[:_MAX_ERROR_CHARS], where), []
    return Done(header, tuple(map(len, contents)), _resident_bytes()), made


def _claim(parent: _Parent, limits: TaskLimits, pixels: int) -> None:
    parent.send(PixelsClaimed(pixels))
    message, _ = parent.receive()
    if not isinstance(message, Granted):
        raise AssertionError("the parent answers a claim with a grant")
    _limit(limits, pixels)


def _function(work: str) -> Callable[[Call], Answer]:
    module, _, name = work.partition(":")
    function: Callable[[Call], Answer] = getattr(importlib.import_module(module), name)
    return function


def _confine() -> None:
    """Give up what a child does not need, for good."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        with contextlib.suppress(OSError):
            # Where the machine runs out of memory, a child is what it can do without.
            Path("/proc/self/oom_score_adj").write_text("1000")
    resource.setrlimit(resource.RLIMIT_FSIZE, (MAX_FILE_BYTES, MAX_FILE_BYTES))


def _limit(limits: TaskLimits, pixels: int) -> None:
    """Set the limits of memory and processor time from now on.

    RLIMIT_DATA counts private memory that can be written, as far as it is mapped: heap, pictures, stacks of threads.
    RLIMIT_AS would count libraries and what glibc only reserves, too.
    """
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = math.ceil(used.ru_utime + used.ru_stime + limits.cpu(pixels))
    for kind, value in ((resource.RLIMIT_CPU, seconds), (resource.RLIMIT_DATA, limits.memory(pixels))):
        _, hard = resource.getrlimit(kind)
        if hard != resource.RLIM_INFINITY:
            value = min(value, hard)
        with contextlib.suppress(ValueError, OSError):  # macOS knows no limit of memory
            resource.setrlimit(kind, (value, hard))


def _resident_bytes() -> int:
    """Memory of this process now; 0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * resource.getpagesize()
