"""The children of this process: started when they are needed, one task each, killed with their task, replaced."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import NamedTuple, Protocol, TypeVar

from ....core.domain.errors import StorageUnavailable
from ....core.services.support.concurrency import BackgroundTasks
from .connection import Child, ChildEnded, ChildFailed, NotBegun
from .fork_server import ForkServer, NoForkServer
from .limits import MAX_PIXELS_IN_WORK, MIB, TASK_LIMITS, TaskLimits, number_of_children
from .messages import WHOLE, BrokenFrame, Task, close_files
from .pixel_budget import PixelBudget
from .shared_files import content_of, write_content

_log = logging.getLogger("photochanger.imaging")

_T = TypeVar("_T")

MAX_TASKS = 200
"""Tasks after which a child is replaced, whatever its memory."""

MAX_RESIDENT_BYTES = 96 * MIB
"""Memory after a task above which a child is replaced; 30 to 50 MiB are usual, most of them shared."""

IDLE = timedelta(seconds=20)
"""How long a child waits for its next task before it ends."""

_ATTEMPTS = 2
"""How often a picture may end the child that works on it."""

_START_PAUSES = (0.0, 0.0, 0.1, 0.4, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0)
"""Seconds before each attempt to start a child: half a minute together."""

_INLINE_BYTES = MIB
"""Contents up to this size are copied on the event loop; larger ones in a thread."""


class TaskEnded(Exception):
    """A picture ended the processes that worked on it, or needed more than it may take; the text says which."""


class Content(NamedTuple):
    """An answer of a child.

    Attributes:
        later: one more content, where the child goes on after its answer; None where that fails. Not to be cancelled.
    """

    header: bytes
    contents: list[bytes]
    later: asyncio.Future[bytes | None] | None = None


class TaskRunner(Protocol):
    """Where tasks on pictures run: a ChildPool, or what a test replaces it by."""

    async def run(self, work: str, header: bytes, contents: Sequence[bytes | int] = ()) -> Content: ...


class ChildPool:
    """Runs tasks in children; as many at the same time as there may be children.

    Everything is started by the first task, or by `keep_ready`, and ended when there was nothing to do for a while.
    Belongs to one event loop.
    """

    def __init__(
        self,
        server: ForkServer,
        *,
        size: int | None = None,
        limits: TaskLimits = TASK_LIMITS,
        budget: PixelBudget | None = None,
        idle: timedelta = IDLE,
    ) -> None:
        self._server = server
        self._limits = limits
        self._idle_limit = idle
        self._size = size or number_of_children()
        self._turns = asyncio.Semaphore(self._size)
        self._budget = budget or PixelBudget(MAX_PIXELS_IN_WORK)
        self._idle: list[Child] = []
        self._keeps_one = self._closed = False
        self._background = BackgroundTasks()
        self._retirement: asyncio.TimerHandle | None = None
        self._ending: asyncio.Task[None] | None = None
        self._working = 0
        self._at_work: set[Child] = set()

    async def keep_ready(self) -> None:
        """Start a child for the next task, and have one ready from now on."""
        self._keeps_one = True
        try:
            self._idle.append(await self._start())
        except (NoForkServer, StorageUnavailable) as error:
            _log.warning("starting a child process for pictures failed: %s", error)

    async def run(self, work: str, header: bytes, contents: Sequence[bytes | int] = ()) -> Content:
        """Have the function `work` ("module:name") called in a child; contents are bytes, or open files.

        Cancellation kills the child. Raises TaskEnded, ChildFailed, and StorageUnavailable where no child can be
        started, or the contents cannot be handed over.
        """
        later = None
        await self._turns.acquire()
        try:
            content = await self._attempts(work, header, contents)
            later = content.later
            return content
        finally:
            if later is None:
                self._turns.release()
            else:
                later.add_done_callback(lambda _: self._turns.release())

    async def close(self) -> None:
        """End all children, also those that work; the fork server is left to its owner."""
        self._closed = True
        if self._retirement is not None:
            self._retirement.cancel()
        self._end_idle()
        for child in self._at_work:
            self._server.kill(child.number)
        await self._background.close()

    async def _attempts(self, work: str, header: bytes, contents: Sequence[bytes | int]) -> Content:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return await self._attempt(work, header, contents)
            except ChildEnded as error:
                _log.warning("child process for pictures ended while it worked (attempt %d): %s", attempt, error)
                if error.over_limit or attempt == _ATTEMPTS:
                    raise TaskEnded(str(error)) from error
            except ChildFailed as error:
                _say_failed(error)
                raise
        raise AssertionError("the last attempt returns or raises")

    async def _attempt(self, work: str, header: bytes, contents: Sequence[bytes | int]) -> Content:
        for pause in _START_PAUSES:
            await asyncio.sleep(pause)
            try:
                return await self._perform(work, header, contents)
            except (NotBegun, NoForkServer) as error:
                reason = str(error)
                self._end_idle()  # what ended one may have ended the others
                _log.warning("starting a child process for pictures failed: %s", reason)
        raise StorageUnavailable(f"No process can be started to work on pictures: {reason}.")

    async def _perform(self, work: str, header: bytes, contents: Sequence[bytes | int]) -> Content:
        self._working += 1
        try:
            child = self._idle.pop() if self._idle else await self._start()
            return await self._perform_in(child, work, header, contents)
        finally:
            self._working -= 1

    async def _perform_in(self, child: Child, work: str, header: bytes, contents: Sequence[bytes | int]) -> Content:
        granted = 0
        self._at_work.add(child)
        try:
            async with asyncio.timeout(None) as limit:

                async def claim(pixels: int) -> None:
                    nonlocal granted
                    limit.reschedule(None)
                    granted += await self._budget.acquire(pixels)
                    limit.reschedule(self._ends_at())

                limit.reschedule(self._ends_at())
                try:
                    files, sizes = await _sent(child, contents)
                except OSError as error:
                    raise StorageUnavailable("There is no memory to hand a picture over to a process.") from error
                done, made = await child.perform(Task(work, header, sizes, self._limits), files, claim)
            content = Content(done.header, await _taken_all(done.sizes, made))
        except BaseException as error:
            self._at_work.discard(child)
            self._bury(child, granted)
            if isinstance(error, TimeoutError) and limit.expired():
                raise ChildEnded("it takes longer than a picture may take", over_limit=True) from None
            raise
        if done.goes_on:
            self._working += 1
            completing = self._background.start(self._complete(child, granted), name="end of a task for pictures")
            return content._replace(later=completing)
        self._end_task(child, granted, resident_bytes=done.resident_bytes)
        return content

    async def _complete(self, child: Child, granted: int) -> bytes | None:
        """What a child makes after its answer; no caller waits for it, and where it fails there is none."""
        try:
            async with asyncio.timeout(self._limits.wall.total_seconds()):
                completed, made = await child.complete()
            contents = await _taken_all(completed.sizes, made)
        except BaseException as error:
            self._at_work.discard(child)
            self._bury(child, granted)
            if isinstance(error, ChildFailed):
                _say_failed(error)
            elif not isinstance(error, ChildEnded | TimeoutError):
                raise
            elif not self._closed:
                _log.warning("child process for pictures ended after its answer: %s", str(error) or "it takes too long")
            return None
        finally:
            self._working -= 1
        self._end_task(child, granted, resident_bytes=completed.resident_bytes)
        return contents[0] if contents else None

    def _end_task(self, child: Child, granted: int, *, resident_bytes: int) -> None:
        self._at_work.discard(child)
        self._budget.release(granted)
        self._give_back(child, resident_bytes=resident_bytes)

    def _ends_at(self) -> float:
        return asyncio.get_running_loop().time() + self._limits.wall.total_seconds()

    async def _start(self) -> Child:
        if self._closed:
            raise StorageUnavailable("The service is stopping.")
        if self._ending is not None:  # a child that is forked now would end with it
            await asyncio.wait([self._ending])
        return await _in_thread(_forked, self._server, discard=Child.close)

    def _give_back(self, child: Child, *, resident_bytes: int = 0) -> None:
        if self._closed or child.tasks >= MAX_TASKS or resident_bytes > MAX_RESIDENT_BYTES:
            child.close()
        else:
            self._idle.append(child)
        if self._retirement is not None:
            self._retirement.cancel()
        self._retirement = asyncio.get_running_loop().call_later(self._idle_limit.total_seconds(), self._retire)

    def _retire(self) -> None:
        """End the children that had nothing to do, with the memory that they keep; have a fresh one ready."""
        self._retirement = None
        self._end_idle()
        if self._keeps_one:
            self._background.start(self.keep_ready(), name="start of a child process for pictures")
        elif not self._working:
            self._ending = self._background.start(
                asyncio.to_thread(self._server.close), name="end of the idle fork server"
            )

    def _end_idle(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def _bury(self, child: Child, granted: int) -> None:
        """Kill a child; its pixels are free when its memory is."""
        self._server.kill(child.number)
        self._background.start(self._until_gone(child, granted), name="end of a child process for pictures")

    async def _until_gone(self, child: Child, granted: int) -> None:
        try:
            await child.until_gone()
        finally:
            child.close()
            self._budget.release(granted)


def _say_failed(error: ChildFailed) -> None:
    _log.error("child process for pictures failed: unforeseen %s\n%s", error, error.where)


def _forked(server: ForkServer) -> Child:
    return Child(*server.fork())


async def _sent(child: Child, contents: Sequence[bytes | int]) -> tuple[list[int], tuple[int, ...]]:
    """Contents as open files, with the sizes that count; they belong to the child or to the caller."""
    files, sizes = [], []
    for index, content in enumerate(contents):
        if isinstance(content, bytes):
            file = child.inbox.file(index)
            if len(content) <= _INLINE_BYTES:
                write_content(file, content)
            else:
                await _in_thread(_write, os.dup(file), content)
            files.append(file)
            sizes.append(len(content))
        else:
            files.append(content)
            sizes.append(WHOLE)
    return files, tuple(sizes)


def _write(file: int, content: bytes) -> None:
    try:
        write_content(file, content)
    finally:
        os.close(file)


async def _taken_all(sizes: Sequence[int], files: list[int]) -> list[bytes]:
    """Read contents that a child made, and close their files. ChildEnded where they are not what they should be."""
    left = files[::-1]
    try:
        contents = []
        for size in sizes:
            file = left.pop()
            contents.append(_taken(file, size) if size <= _INLINE_BYTES else await _in_thread(_taken, file, size))
        return contents
    except (BrokenFrame, OSError) as error:
        raise ChildEnded(f"its answer cannot be read: {error}") from None
    finally:
        close_files(left)


def _taken(file: int, size: int) -> bytes:
    """The bytes of a file, which is closed."""
    try:
        return content_of(file, size)
    finally:
        os.close(file)


async def _in_thread(
    work: Callable[..., _T], *arguments: object, discard: Callable[[_T], object] = lambda result: None
) -> _T:
    """Run in a thread, to its end: where the caller is cancelled meanwhile, its result goes to `discard`."""
    working = asyncio.get_running_loop().run_in_executor(None, work, *arguments)
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        working.add_done_callback(lambda done: None if done.cancelled() or done.exception() else discard(done.result()))
        raise
