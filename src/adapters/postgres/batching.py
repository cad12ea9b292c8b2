"""Batching: calls that arrive together travel together, over a few connections that all kinds of calls share.

While one batch is under way, further calls of its kind gather and go in the next one. A lone call goes immediately;
under load the cost of a round trip and of a durable commit is shared (ADR 0002).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar

import psycopg
from psycopg.pq import TransactionStatus

from ...core.domain.errors import QueueUnavailable
from ...core.services.support.concurrency import TaskSet
from .outages import DatabaseUnavailable, ReplyMissing, is_outage, outage_of

Item = TypeVar("Item")
Answer = TypeVar("Answer")
Connection = psycopg.AsyncConnection[Any]

_MAX_BATCH = 64
_BATCH_TIMEOUT_SECONDS = 12.0
"""Limit of one batch, connecting included, and of the wait for a connection before it: above the statement timeout,
below any sync window."""


class SharedConnections:
    """At most `size` connections, made when needed; each runs one batch at a time."""

    def __init__(self, connect: Callable[[], Awaitable[Connection]], *, size: int) -> None:
        self._connect = connect
        self._permits = asyncio.Semaphore(size)
        self._idle: list[Connection] = []

    async def acquire(self) -> None:
        """Wait for the right to use one connection. QueueUnavailable where none becomes free."""
        if not self._permits.locked():
            await self._permits.acquire()  # at once
            return
        try:
            async with asyncio.timeout(_BATCH_TIMEOUT_SECONDS):
                await self._permits.acquire()
        except TimeoutError:
            raise QueueUnavailable("All database connections are busy. Try again later.") from None

    def release(self) -> None:
        """Give that right back."""
        self._permits.release()

    async def run(self, work: Callable[[Connection], Awaitable[Answer]]) -> Answer:
        """Run `work` on a connection; once more on a new one where the connection turns out to be lost.

        The caller has acquired. QueueUnavailable.
        """
        try:
            async with asyncio.timeout(_BATCH_TIMEOUT_SECONDS):
                if self._idle:
                    try:
                        return await self._use(self._idle.pop(), work)
                    except (psycopg.errors.QueryCanceled, ReplyMissing):
                        raise
                    except (psycopg.Error, OSError) as error:
                        if not is_outage(error):
                            raise
                return await self._use(await self._connect(), work)
        except TimeoutError as error:
            raise DatabaseUnavailable("no answer in time") from error
        except (psycopg.Error, OSError) as error:
            if not is_outage(error):
                raise
            raise outage_of(error) from error

    async def close(self) -> None:
        """Close the idle connections."""
        while self._idle:
            await _close(self._idle.pop())

    async def _use(self, connection: Connection, work: Callable[[Connection], Awaitable[Answer]]) -> Answer:
        """Keep the connection afterwards, unless it was lost or a statement is still under way.

        Where it shows that the database is away, the idle ones are closed as well: they would fail one by one.
        """
        try:
            answer = await work(connection)
        except psycopg.Error as error:
            if is_outage(error) and not isinstance(error, psycopg.errors.QueryCanceled):
                await _close(connection)
                await self.close()
            raise
        finally:
            if not connection.closed and connection.info.transaction_status is TransactionStatus.IDLE:
                self._idle.append(connection)
            else:
                await _close(connection)
        return answer


class Batcher(Generic[Item, Answer]):
    """Runs `work(connection, items)`, which returns one answer per item: a value, or an exception for that item alone.

    One batch at a time. `work` must be safe to repeat: where the connection breaks it is run once more on a new one.
    """

    def __init__(
        self,
        connections: SharedConnections,
        work: Callable[[Connection, Sequence[Item]], Awaitable[Sequence[Answer | Exception]]],
    ) -> None:
        self._connections = connections
        self._work = work
        self._waiting: list[tuple[Item, asyncio.Future[Answer]]] = []
        self._tasks = TaskSet()
        self._runner: asyncio.Task[None] | None = None
        self._called = asyncio.Event()
        self._closing = False

    async def call(self, item: Item) -> Answer:
        """The answer for this item. QueueUnavailable. Cancelling the caller does not undo a batch under way."""
        return await self.post(item)

    def post(self, item: Item) -> asyncio.Future[Answer]:
        """Put an item into the next batch; the future gets its answer, or the error."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, answer))
        self._called.set()
        if self._runner is None or self._runner.done():
            self._runner = self._tasks.start(self._run(), name="database batches")
        return answer

    async def close(self) -> None:
        """Wait for the batches under way."""
        self._closing = True
        self._called.set()
        await self._tasks.close()

    async def _run(self) -> None:
        """Run batches until the end: one task for all calls, not one for each."""
        while True:
            while self._waiting:
                await self._next_batch()
            if self._closing:
                return
            self._called.clear()
            await self._called.wait()

    async def _next_batch(self) -> None:
        try:
            await self._connections.acquire()
        except QueueUnavailable as error:
            waiting, self._waiting = self._waiting, []
            _answer(waiting, [error] * len(waiting))
            return
        try:
            # Only now: what arrived while this waited for a connection travels along.
            batch, self._waiting = self._waiting[:_MAX_BATCH], self._waiting[_MAX_BATCH:]
            await self._run_batch(batch)
        finally:
            self._connections.release()

    async def _run_batch(self, batch: list[tuple[Item, asyncio.Future[Answer]]]) -> None:
        items = [item for item, _ in batch]
        answers: Sequence[Answer | Exception]
        try:
            answers = await self._connections.run(lambda connection: self._work(connection, items))
        except psycopg.Error as error:
            if len(batch) > 1:  # only the item that caused the error fails
                for member in batch:
                    await self._run_batch([member])
                return
            answers = [error]
        except Exception as error:
            answers = [error] * len(batch)
        _answer(batch, answers)


def _answer(batch: Sequence[tuple[Item, asyncio.Future[Answer]]], answers: Sequence[Answer | Exception]) -> None:
    for (_, future), answer in zip(batch, answers, strict=True):
        if future.done():
            continue
        if isinstance(answer, Exception):
            future.set_exception(answer)
        else:
            future.set_result(answer)


async def _close(connection: Connection) -> None:
    with contextlib.suppress(psycopg.Error, OSError):
        await connection.close()
