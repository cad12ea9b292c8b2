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
    Completed,
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

_Frame = tuple[FromChild, Sequence[int]]
"""A message, and the files that are sent with it."""

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38

_MAX_ERROR_CHARS = 200
_MAX_STACK_CHARS = 4_000


def run_child(connection: socket.socket, fork_server: int) -> NoReturn:
    """Do tasks until the connection ends, or the process `fork_server` does."""
    _confine()
    if os.getppid() != fork_server:  # it has ended before the kernel was asked to report that
        os._exit(0)
    # What is made after an answer has files of its own: the parent may still read the others.
    parent, results, later_results = _Parent(connection), SharedFiles(), SharedFiles()
    while True:
        task, files = parent.receive()
        if not isinstance(task, Task):
            raise AssertionError("the parent sends tasks")
        parent.send(Begun())
        try:
            _perform(parent, task, files, results, later_results)
        finally:
            close_files(files)
        del task


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


def _perform(
    parent: _Parent, task: Task, files: Sequence[int], results: SharedFiles, later_results: SharedFiles
) -> None:
    """Do a task and send its answer, then what it makes later."""
    _limit(task.limits, 0)
    call = Call(task.header, files, task.sizes, partial(_claim, parent, task.limits))
    later: Callable[[], bytes | None] | None = None

    def answer() -> _Frame:
        nonlocal later
        answer = _function(task.work)(call)
        made = _written(answer.contents, results)
        later = answer.later
        sizes = tuple(map(len, answer.contents))
        return Done(answer.header, sizes, _resident_bytes(), goes_on=later is not None), made

    parent.send(*_frame_of(answer))
    if later is not None:
        parent.send(*_frame_of(partial(_completed, later, later_results)))


def _completed(later: Callable[[], bytes | None], results: SharedFiles) -> _Frame:
    content = later()
    contents = [] if content is None else [content]
    made = _written(contents, results)
    return Completed(tuple(map(len, contents)), _resident_bytes()), made


def _written(contents: Sequence[bytes], results: SharedFiles) -> list[int]:
    """The files with these contents."""
    files = [results.file(index) for index in range(len(contents))]
    for file, content in zip(files, contents, strict=True):
        write_content(file, content)
    return files


def _frame_of(work: Callable[[], _Frame]) -> _Frame:
    """What the work returns, or that it failed."""
    try:
        return work()
    except MemoryError:
        # Beyond its limit a process is in no state to go on: an allocation that failed elsewhere may have ended it too.
        os._exit(OUT_OF_MEMORY)
    except Exception as error:
        where = "".join(traceback.format_tb(error.__traceback__))[-_MAX_STACK_CHARS:]
        return Failed(type(error).__name__[:_MAX_ERROR_CHARS], where), []


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
