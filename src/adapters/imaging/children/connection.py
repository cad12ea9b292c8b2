"""One child as its parent sees it: a task sent, its claims granted, its answer read."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import NoReturn

from .messages import (
    OUT_OF_MEMORY,
    Begun,
    BrokenFrame,
    Completed,
    Done,
    Ended,
    Failed,
    FrameBuffer,
    FromChild,
    Granted,
    NotStarted,
    PixelsClaimed,
    Task,
    ToChild,
    framed,
    message_from_child,
)
from .shared_files import SharedFiles

Claim = Callable[[int], Awaitable[None]]
"""Wait until this many pixels may be decoded."""


class NotBegun(Exception):
    """The child ended before it took its task, which may be given to another one."""


class ChildEnded(Exception):
    """The child ended while it worked.

    Attributes:
        over_limit: it needed more processor time than it may have: another attempt would need as much.
    """

    def __init__(self, reason: str, *, over_limit: bool = False) -> None:
        super().__init__(reason)
        self.over_limit = over_limit


class ChildFailed(Exception):
    """The function of the task raised an error that it does not know: a fault of ours.

    Attributes:
        where: its stack in the child.
    """

    def __init__(self, error: str, where: str) -> None:
        super().__init__(error)
        self.where = where


class Child:
    """A child process.

    Attributes:
        number: its number at the fork server.
        tasks: how many it has done.
        inbox: the files in which contents are sent to it.
    """

    def __init__(self, number: int, connection: socket.socket) -> None:
        self.number = number
        self.tasks = 0
        self.inbox = SharedFiles()
        self._connection = connection
        self._buffer = FrameBuffer()

    async def perform(self, task: Task, files: Sequence[int], claim: Claim) -> tuple[Done, list[int]]:
        """Have a task done; its answer, with files that the caller closes. NotBegun, ChildEnded, ChildFailed."""
        self._send(task, files)
        begun = claimed = False
        while True:
            match message := await self._receive():
                case Begun():
                    begun = True
                case PixelsClaimed():
                    if claimed or message.pixels < 0:
                        raise ChildEnded("it claims pixels twice, or fewer than none")
                    claimed = True
                    await claim(message.pixels)
                    self._send(Granted())
                case Done():
                    self.tasks += 1
                    return message, self._files(message.sizes)
                case Completed():
                    raise ChildEnded("it completes a task that it has not answered")
                case Failed():
                    raise ChildFailed(message.error, message.where)
                case NotStarted():
                    raise NotBegun(message.reason)
                case Ended():
                    _raise_end(message.code, begun=begun)
                case None:
                    if begun:
                        raise ChildEnded("its process was ended")
                    raise NotBegun("the process that children are forked from has ended")

    async def complete(self) -> tuple[Completed, list[int]]:
        """What follows an answer that goes on, with files that the caller closes. ChildEnded, ChildFailed."""
        match message := await self._receive():
            case Completed() if len(message.sizes) <= 1:
                return message, self._files(message.sizes)
            case Failed():
                raise ChildFailed(message.error, message.where)
            case Ended():
                _raise_end(message.code, begun=True)
        raise ChildEnded("it does not complete its task")

    async def until_gone(self) -> None:
        """Wait until nothing is left of the process."""
        try:
            while await self._receive() is not None:
                pass
        except ChildEnded:
            return

    def close(self) -> None:
        """End the connection; a child that waits for a task ends with it."""
        self._connection.close()
        self._buffer.close()
        self.inbox.close()

    def _send(self, message: ToChild, files: Sequence[int] = ()) -> None:
        frame = framed(message)
        try:
            sent = socket.send_fds(self._connection, [frame], list(files)) if files else self._connection.send(frame)
        except OSError as error:
            if isinstance(message, Task):
                raise NotBegun("the child has ended") from error
            raise ChildEnded("its process was ended") from error
        if sent != len(frame):  # the child has read everything before, and a frame is smaller than the buffer
            raise ChildEnded("it does not take its task")

    def _files(self, sizes: Sequence[int]) -> list[int]:
        try:
            return self._buffer.take_files(len(sizes))
        except BrokenFrame as error:
            raise ChildEnded(str(error)) from None

    async def _receive(self) -> FromChild | None:
        """The next message; None at the end of the stream."""
        try:
            while (frame := self._buffer.frame()) is None:
                try:
                    if not self._buffer.receive(self._connection):
                        return None
                except BlockingIOError:
                    await self._readable()
                except ConnectionError:
                    return None
            return message_from_child(frame)
        except BrokenFrame as error:
            raise ChildEnded(f"it sent something wrong: {error}") from None

    async def _readable(self) -> None:
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[None] = loop.create_future()
        loop.add_reader(self._connection, _set, ready)
        try:
            await ready
        finally:
            loop.remove_reader(self._connection)


def _set(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


def _raise_end(code: int, *, begun: bool) -> NoReturn:
    if not begun:
        raise NotBegun(f"the child ended with code {code}")
    if code == -signal.SIGXCPU:
        raise ChildEnded("it needs more processor time than a picture may take", over_limit=True)
    if code == OUT_OF_MEMORY:
        raise ChildEnded("it needs more memory than a picture may take")
    name = signal.Signals(-code).name if code < 0 else f"code {code}"
    raise ChildEnded(f"the process that worked on it was ended by {name}")
