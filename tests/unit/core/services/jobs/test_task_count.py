"""How many asyncio tasks one photo takes from its submission to its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from photochanger.core.domain.job import JobState
from photochanger.entrypoints.worker.pool import PoolOptions, WorkerPool

from tests.support.world import SECOND, ScriptedProvider, World

pytestmark = pytest.mark.anyio

MAX_TASKS_TO_ANSWER = 12
MAX_TASKS_AFTERWARDS = 4
"""The record of the call, the previews, and the records of their two files."""


@contextmanager
def counted_tasks() -> Iterator[list[str]]:
    """Collect the names of the coroutines that become tasks."""
    loop, names = asyncio.get_running_loop(), []

    def factory(loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], **options: Any) -> Any:
        names.append(coroutine.__qualname__)
        return asyncio.Task(coroutine, loop=loop, **options)

    loop.set_task_factory(factory)  # type: ignore[arg-type]
    try:
        yield names
    finally:
        loop.set_task_factory(None)


async def test_one_photo_takes_few_tasks_from_its_submission_to_its_answer() -> None:
    world = World(ScriptedProvider("cloud"))
    await world.slot("cloud")
    pool = WorkerPool(
        completion=world.completion,
        queue=world.queue,
        signals=world.signals,
        processing=world.processing,
        acquisition=world.acquisition,
        options=PoolOptions(concurrency=2),
    )
    running = await world.start(pool.run())
    with counted_tasks() as names:
        job = await world.submit()
        ended = await world.jobs.wait(job.id, known=job)
    assert ended.state is JobState.SUCCEEDED
    assert len(names) <= MAX_TASKS_TO_ANSWER, names
    with counted_tasks() as names:
        await world.clock.advance(timedelta(milliseconds=900))  # less than the pause between two looks at the queue
    pool_tasks = {"Event.wait", "_Listener.wait"}
    assert (
        len([name for name in names if name not in pool_tasks and "FaultInjector" not in name]) <= MAX_TASKS_AFTERWARDS
    )
    pool.stop()
    await world.end(running, within=SECOND)
