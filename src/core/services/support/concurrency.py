"""Structured concurrency beyond `asyncio.TaskGroup`: pairs of awaitables, and tasks with an owner."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

_log = logging.getLogger("photochanger.tasks")

_A = TypeVar("_A")
_B = TypeVar("_B")
_T = TypeVar("_T")


async def gather_in_order(first: Awaitable[_A], second: Awaitable[_B]) -> tuple[_A, _B]:
    """Await both concurrently, with the result of awaiting them one after the other.

    Where both fail, the error of `first` is raised. Nothing is left running, even if the caller is cancelled.
    """
    later = asyncio.ensure_future(second)
    try:
        try:
            one = await first
        except Exception:
            await asyncio.wait([later])
            raise
        return one, await later
    finally:
        await cancel_and_wait(later)


async def race(first: Awaitable[_A], second: Awaitable[_B]) -> tuple[int, _A | _B]:
    """Run both until one has ended; cancel the other and wait for it.

    Returns 0 or 1 for the one that ended, and its result; raises what that one raised. `first` counts where both ended
    in the same turn of the event loop; what the other one returned or raised is dropped. Nothing is left running, even
    if the caller is cancelled.
    """
    tasks: tuple[asyncio.Future[_A], asyncio.Future[_B]] = asyncio.ensure_future(first), asyncio.ensure_future(second)
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return (0, tasks[0].result()) if tasks[0].done() else (1, tasks[1].result())
    finally:
        await cancel_and_wait(*tasks)


async def cancel_and_wait(*tasks: asyncio.Future[Any]) -> None:
    """Cancel tasks and wait until they have ended; their results and errors are dropped."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def result_of(task: asyncio.Future[_T]) -> _T:
    """Await a task that goes on where the caller is cancelled.

    Unlike with `asyncio.shield` no second future holds the error, for the event loop to report it as unretrieved.
    """
    await asyncio.wait([task])
    return task.result()


async def wait_to_the_end(work: asyncio.Future[Any]) -> asyncio.CancelledError | None:
    """Wait until the work is done, however often that is cancelled; returns the cancellation, for the caller to raise.

    An error of the work counts as seen.
    """
    cancelled: asyncio.CancelledError | None = None
    while not work.done():
        try:
            await asyncio.wait([work])
        except asyncio.CancelledError as error:
            cancelled = error
    if not work.cancelled():
        work.exception()
    return cancelled


class TaskSet:
    """Owner of tasks that others await."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def start(self, work: Coroutine[Any, Any, _T], *, name: str) -> asyncio.Task[_T]:
        """Start a task; it is owned until it has ended."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def close(self) -> None:
        """Wait for all tasks, also for those that start meanwhile; their errors are not raised."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def cancel(self) -> None:
        """Cancel all tasks and wait for them; their errors are not raised."""
        await cancel_and_wait(*self._tasks)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # marks it as retrieved: it belongs to the task's awaiters


class BackgroundTasks(TaskSet):
    """Owner of tasks that nothing awaits: an unforeseen error is logged with the task's name."""

    def _ended(self, task: asyncio.Task[Any]) -> None:
        super()._ended(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("background task failed: %s", task.get_name(), exc_info=error)


class Supervisor:
    """Owner of the long-running loops of a process or of an `open` block.

    An unforeseen error in a loop is logged with the loop's name and ends the `guard` block of the owner.
    """

    def __init__(self) -> None:
        self._error: Exception | None = None
        self._end: Callable[[], None] | None = None
        self._last_acts: list[Callable[[], None]] = []

    def at_forced_end(self, act: Callable[[], None]) -> None:
        """Add what must be done where the process is ended by force instead of closing what it has opened."""
        self._last_acts.append(act)

    def perform_last_acts(self) -> None:
        """Do what was added for a forced end, the latest first. Blocks; errors are logged. Safe from any thread."""
        for act in reversed(self._last_acts):
            try:
                act()
            except Exception:
                _log.exception("last act failed: unforeseen error")

    @asynccontextmanager
    async def guard(self, *, stop: Callable[[], None] | None = None) -> AsyncIterator[None]:
        """End the block with the first unforeseen error of a supervised loop: by `stop`, else by cancelling the block.

        Raises that error once the block has ended.
        """
        try:
            async with asyncio.timeout(None) as limit:
                self._end = stop or (lambda: limit.reschedule(asyncio.get_running_loop().time()))
                if self._error is not None:
                    self._end()
                yield
        except TimeoutError:
            if not limit.expired():
                raise
        finally:
            self._end = None
        if self._error is not None:
            raise self._error

    @asynccontextmanager
    async def supervised(
        self, loop: Coroutine[Any, Any, None], *, name: str, stop: Callable[[], None] | None = None
    ) -> AsyncIterator[asyncio.Task[None]]:
        """Run a loop as a task while the block lasts; cancel it at the end.

        With `stop` the loop is stopped by that and waited for, unless the block was cancelled.
        """
        task = self.start(loop, name=name)
        try:
            try:
                yield task
            except asyncio.CancelledError:
                stop = None
                raise
            finally:
                if stop is not None:
                    stop()
                    await asyncio.wait([task])
        finally:
            await cancel_and_wait(task)

    def start(self, loop: Coroutine[Any, Any, None], *, name: str) -> asyncio.Task[None]:
        """Start a loop; the caller cancels it in the end."""
        task = asyncio.create_task(self._run(loop, name), name=name)
        task.add_done_callback(lambda _: loop.close())  # for a task that was cancelled before its first step
        return task

    async def _run(self, loop: Coroutine[Any, Any, None], name: str) -> None:
        try:
            await loop
        except asyncio.CancelledError as error:
            if _is_cancelling():
                raise
            self._fail(RuntimeError(f"{name} was cancelled by something that it awaited"), name, cause=error)
        except Exception as error:
            self._fail(error, name)

    def _fail(self, error: Exception, name: str, *, cause: BaseException | None = None) -> None:
        if cause is not None:
            error.__cause__ = cause
        if not hasattr(error, "__notes__"):  # else the owner of an inner loop has logged it
            _log.error("%s failed: unforeseen error", name, exc_info=error)
        error.add_note(f"raised in: {name}")
        if self._error is None:
            self._error = error
            if self._end is not None:
                self._end()


def _is_cancelling() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
