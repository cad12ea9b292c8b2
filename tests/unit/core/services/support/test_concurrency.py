"""Pairs of awaitables and tasks with an owner: who wins, what is raised, and that nothing is left running."""

from __future__ import annotations

import asyncio
import logging

import pytest
from photochanger.core.services.support.concurrency import (
    BackgroundTasks,
    TaskSet,
    gather_in_order,
    race,
    result_of,
    wait_to_the_end,
)

pytestmark = pytest.mark.anyio


class Endless:
    """An awaitable that never ends by itself and knows whether it was cancelled."""

    def __init__(self) -> None:
        self.cancelled = False

    async def run(self) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)  # the clean-up takes a turn, and is waited for
            self.cancelled = True
            raise


async def value(result: str) -> str:
    return result


async def failure(error: Exception) -> None:
    raise error


async def turns() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def test_race_returns_the_first_result_and_cancels_the_other() -> None:
    other = Endless()
    assert await race(value("here"), other.run()) == (0, "here")
    assert other.cancelled


async def test_race_says_when_the_second_one_won() -> None:
    other = Endless()
    assert await race(other.run(), value("there")) == (1, "there")
    assert other.cancelled


async def test_race_prefers_the_first_one_where_both_ended() -> None:
    assert await race(value("first"), failure(ValueError())) == (0, "first")


async def test_race_raises_the_error_of_the_one_that_ended() -> None:
    other = Endless()
    with pytest.raises(ValueError):
        await race(other.run(), failure(ValueError()))
    assert other.cancelled


async def test_race_leaves_nothing_running_where_its_caller_is_cancelled() -> None:
    first, second = Endless(), Endless()
    racing = asyncio.ensure_future(race(first.run(), second.run()))
    await turns()
    racing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await racing
    assert (first.cancelled, second.cancelled) == (True, True)


async def test_gather_in_order_starts_one_task() -> None:
    names = [task.get_name() for task in asyncio.all_tasks()]

    async def others() -> int:
        await turns()
        return len([task for task in asyncio.all_tasks() if task.get_name() not in names])

    assert await gather_in_order(others(), others()) == (1, 1)


async def test_gather_in_order_waits_for_the_second_where_the_first_failed() -> None:
    ended = []

    async def second() -> None:
        await turns()
        ended.append(True)

    with pytest.raises(ValueError):
        await gather_in_order(failure(ValueError()), second())
    assert ended == [True]


async def test_gather_in_order_runs_both_concurrently() -> None:
    first, second = asyncio.Event(), asyncio.Event()

    async def meet(mine: asyncio.Event, other: asyncio.Event) -> str:
        mine.set()
        await other.wait()
        return "met"

    assert await gather_in_order(meet(first, second), meet(second, first)) == ("met", "met")


async def test_gather_in_order_raises_the_first_error_although_the_second_failed_earlier() -> None:
    second_failed = asyncio.Event()

    async def first() -> None:
        await second_failed.wait()
        raise ValueError

    async def second() -> None:
        second_failed.set()
        raise KeyError

    with pytest.raises(ValueError):
        await gather_in_order(first(), second())
    with pytest.raises(KeyError):
        await gather_in_order(value("here"), failure(KeyError()))


async def test_gather_in_order_leaves_nothing_running_where_its_caller_is_cancelled() -> None:
    first, second = Endless(), Endless()
    waiting = asyncio.ensure_future(gather_in_order(first.run(), second.run()))
    await turns()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert (first.cancelled, second.cancelled) == (True, True)


async def test_a_task_set_forgets_tasks_that_have_ended() -> None:
    tasks = TaskSet()
    task = tasks.start(value("made"), name="one")
    assert (len(tasks), task.get_name()) == (1, "one")
    assert await task == "made"
    await turns()
    assert len(tasks) == 0


async def test_cancelling_a_task_set_waits_for_its_tasks() -> None:
    tasks, endless = TaskSet(), Endless()
    tasks.start(endless.run(), name="endless")
    await turns()
    await tasks.cancel()
    assert endless.cancelled


async def test_closing_waits_also_for_tasks_that_start_meanwhile() -> None:
    tasks, ended = BackgroundTasks(), []

    async def second() -> None:
        await turns()
        ended.append("second")

    async def first() -> None:
        await turns()
        tasks.start(second(), name="second")
        ended.append("first")

    tasks.start(first(), name="first")
    await tasks.close()
    assert ended == ["first", "second"]


async def test_an_error_in_the_background_is_logged_with_the_name_of_its_task(caplog: pytest.LogCaptureFixture) -> None:
    tasks = BackgroundTasks()
    tasks.start(failure(ValueError("unforeseen")), name="log of job 17")
    await tasks.close()
    (record,) = caplog.records
    assert (record.levelno, record.getMessage()) == (logging.ERROR, "background task failed: log of job 17")
    assert record.exc_info


async def test_a_cancelled_background_task_is_not_an_error(caplog: pytest.LogCaptureFixture) -> None:
    tasks = BackgroundTasks()
    tasks.start(Endless().run(), name="endless")
    await turns()
    await tasks.cancel()
    assert caplog.records == []


async def test_an_error_of_an_awaited_task_is_its_awaiters(caplog: pytest.LogCaptureFixture) -> None:
    tasks = TaskSet()
    task = tasks.start(failure(ValueError()), name="one")
    with pytest.raises(ValueError):
        await task
    await tasks.close()
    assert caplog.records == []


async def test_the_task_goes_on_where_its_caller_is_cancelled() -> None:
    owner, go_on = TaskSet(), asyncio.Event()
    task = owner.start(go_on.wait(), name="going on")
    caller = asyncio.ensure_future(result_of(task))
    await asyncio.sleep(0)
    caller.cancel()
    await asyncio.wait([caller])
    assert not task.done()
    go_on.set()
    assert await result_of(task)


async def test_work_is_waited_for_however_often_that_is_cancelled() -> None:
    work: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    waiting = asyncio.ensure_future(wait_to_the_end(work))
    for _ in range(3):
        await asyncio.sleep(0)
        waiting.cancel()
    await asyncio.sleep(0)
    assert not waiting.done()
    work.set_exception(ValueError("seen"))
    assert isinstance(await waiting, asyncio.CancelledError)
    assert await wait_to_the_end(work) is None
