"""Lanes: one connection each, on which calls that come together travel together.

While one statement is under way, further calls gather and go in the next one. A lone call goes at once, so nothing
waits for company; under load the cost of a round trip and of a durable commit is shared (ADR 0002).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar

import psycopg

from ...core.domain.errors import QueueUnavailable

Item = TypeVar("Item")
Answer = TypeVar("Answer")

_LARGEST_BATCH = 64
_ANSWER_SECONDS = 12.0
"""The most that one batch may take, connecting included: more than the statement timeout, less than any window."""

_LOST = (psycopg.OperationalError, psycopg.InterfaceError, OSError)


class BatchingConnection(Generic[Item, Answer]):
    """Runs `work(connection, items)`, which returns one answer per item: a value, or an exception for that item alone.

    `work` must be safe to repeat: where the connection breaks it is run once more on a new one.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[psycopg.AsyncConnection[Any]]],
        work: Callable[[psycopg.AsyncConnection[Any], Sequence[Item]], Awaitable[Sequence[Answer | Exception]]],
    ) -> None:
        self._connect = connect
        self._work = work
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self._waiting: list[tuple[Item, asyncio.Future[Answer]]] = []
        self._runner: asyncio.Task[None] | None = None

    async def call(self, item: Item) -> Answer:
        """The answer for this item. QueueUnavailable. Cancelling the caller does not undo what is under way."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, answer))
        if self._runner is None or self._runner.done():
            self._runner = asyncio.create_task(self._run())
        return await answer

    async def close(self) -> None:
        """Finish what is under way, then let go of the connection."""
        if self._runner is not None:
            await asyncio.gather(self._runner, return_exceptions=True)
        await self._disconnect()

    async def _run(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:_LARGEST_BATCH], self._waiting[_LARGEST_BATCH:]
            await self._run_batch(batch)

    async def _run_batch(self, batch: list[tuple[Item, asyncio.Future[Answer]]]) -> None:
        try:
            answers = await self._bounded([item for item, _ in batch])
        except psycopg.Error as error:
            if len(batch) > 1:  # only the one that caused it may suffer from it
                for member in batch:
                    await self._run_batch([member])
                return
            answers = [error]
        except Exception as error:
            answers = [error] * len(batch)
        for (_, future), answer in zip(batch, answers, strict=True):
            if future.done():
                continue
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)

    async def _bounded(self, items: Sequence[Item]) -> Sequence[Answer | Exception]:
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                return await self._on_a_connection(items)
        except (TimeoutError, *_LOST) as error:
            await self._disconnect()
            raise QueueUnavailable("The database cannot be reached right now.") from error

    async def _on_a_connection(self, items: Sequence[Item]) -> Sequence[Answer | Exception]:
        connection = self._connection
        if connection is not None and not connection.closed:
            try:
                return await self._work(connection, items)
            except psycopg.errors.QueryCanceled:
                raise
            except _LOST:
                await self._disconnect()
        connection = self._connection = await self._connect()
        return await self._work(connection, items)

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(psycopg.Error, OSError):
                await connection.close()
