"""Worker pools over adapters in memory, with a grace of nearly nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

from photochanger.core.domain.deadlines import LEASE
from photochanger.entrypoints.worker.pool import PoolOptions, WorkerPool

from tests.support.world import SECOND, World

BLINK = timedelta(milliseconds=1)


def pool_of(world: World, *, concurrency: int = 2, lease: timedelta = LEASE, grace: timedelta = BLINK) -> WorkerPool:
    return WorkerPool(
        completion=world.completion,
        queue=world.queue,
        signals=world.signals,
        processing=world.processing,
        acquisition=world.acquisition,
        options=PoolOptions(concurrency=concurrency, lease=lease, grace=grace),
    )


@asynccontextmanager
async def at_work(world: World, pool: WorkerPool) -> AsyncIterator[asyncio.Task[None]]:
    """The pool running, and stopped at the end at the latest."""
    running = asyncio.create_task(pool.run())
    try:
        yield running
    finally:
        running.cancel()
        async with asyncio.timeout(60):
            while not running.done():
                await world.clock.advance(SECOND)  # the last previews wait a moment


async def until(true: Callable[[], bool]) -> None:
    """Let the event loop turn until something is so."""
    async with asyncio.timeout(60):
        while not true():  # noqa: ASYNC110 - what is waited for is the state of other tasks
            await asyncio.sleep(0)


async def stopped(world: World, pool: WorkerPool, running: asyncio.Task[None]) -> None:
    """Stop the pool and let its last previews have their moment."""
    pool.stop()
    async with asyncio.timeout(60):
        while not running.done():
            await world.clock.advance(SECOND)
    running.result()
