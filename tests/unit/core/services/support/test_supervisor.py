"""The owner of long-running loops: an unforeseen error in one of them ends the owner's block."""

from __future__ import annotations

import asyncio
import logging

import pytest
from photochanger.core.services.support.concurrency import Supervisor

pytestmark = pytest.mark.anyio


async def failing(error: BaseException, *, after: asyncio.Event | None = None) -> None:
    if after is not None:
        await after.wait()
    raise error


async def endless() -> None:
    await asyncio.Event().wait()


async def test_an_unforeseen_error_cancels_the_block_and_is_raised_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    supervisor, error = Supervisor(), TypeError("a defect")
    with pytest.raises(TypeError) as raised:
        async with supervisor.guard(), supervisor.supervised(failing(error), name="lease renewal"):
            await endless()
    assert raised.value is error
    assert error.__notes__ == ["raised in: lease renewal"]
    (record,) = caplog.records
    assert (record.levelno, record.getMessage()) == (logging.ERROR, "lease renewal failed: unforeseen error")
    assert record.exc_info
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_block_with_a_stop_function_ends_by_itself() -> None:
    supervisor, stop = Supervisor(), asyncio.Event()
    ended = []

    async def serve() -> None:
        await stop.wait()
        await asyncio.sleep(0)  # running requests end, for instance
        ended.append("by itself")

    with pytest.raises(TypeError):
        async with supervisor.guard(stop=stop.set), supervisor.supervised(failing(TypeError()), name="a loop"):
            await serve()
    assert ended == ["by itself"]


async def test_an_error_from_before_the_block_ends_it() -> None:
    supervisor = Supervisor()
    async with supervisor.supervised(failing(TypeError()), name="a loop"):
        await asyncio.sleep(0)
        with pytest.raises(TypeError):
            async with supervisor.guard():
                await endless()


async def test_an_error_at_the_end_of_the_block_is_raised() -> None:
    supervisor = Supervisor()
    with pytest.raises(TypeError):
        async with supervisor.guard(), supervisor.supervised(clean_up_fails(), name="a loop"):
            await asyncio.sleep(0)


async def clean_up_fails() -> None:
    try:
        await endless()
    finally:
        raise TypeError


@pytest.mark.parametrize("error", [ValueError("of the block"), TimeoutError("of the block")])
async def test_errors_of_the_block_itself_pass_unchanged(error: Exception) -> None:
    supervisor = Supervisor()
    with pytest.raises(type(error), match="of the block"):
        async with supervisor.guard(), supervisor.supervised(endless(), name="a loop"):
            raise error


async def test_a_loop_that_something_else_cancels_is_an_unforeseen_error() -> None:
    supervisor = Supervisor()
    with pytest.raises(RuntimeError, match="a loop was cancelled by something that it awaited"):
        async with supervisor.guard(), supervisor.supervised(failing(asyncio.CancelledError()), name="a loop"):
            await endless()


async def test_the_owner_of_an_inner_loop_logs_its_error_once(caplog: pytest.LogCaptureFixture) -> None:
    async def worker() -> None:
        inner = Supervisor()
        async with inner.guard(), inner.supervised(failing(TypeError()), name="heartbeat"):
            await endless()

    outer = Supervisor()
    with pytest.raises(TypeError) as raised:
        async with outer.guard(), outer.supervised(worker(), name="worker"):
            await endless()
    assert [record.getMessage() for record in caplog.records] == ["heartbeat failed: unforeseen error"]
    assert raised.value.__notes__ == ["raised in: heartbeat", "raised in: worker"]


async def test_the_first_of_two_errors_is_raised_and_both_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    supervisor = Supervisor()
    with pytest.raises(TypeError):
        async with (
            supervisor.guard(),
            supervisor.supervised(failing(TypeError()), name="first"),
            supervisor.supervised(failing(ValueError()), name="second"),
        ):
            await endless()
    assert len(caplog.records) == 2


async def test_a_loop_is_cancelled_with_its_block_and_may_end_by_itself(caplog: pytest.LogCaptureFixture) -> None:
    supervisor, cancelled = Supervisor(), []

    async def loop() -> None:
        try:
            await endless()
        finally:
            cancelled.append(True)

    async def brief() -> None:
        return

    async with (
        supervisor.guard(),
        supervisor.supervised(loop(), name="a loop"),
        supervisor.supervised(brief(), name="a brief one") as ended,
    ):
        await asyncio.wait([ended])
    assert cancelled == [True]
    assert not caplog.records


async def test_a_loop_with_a_stop_function_is_waited_for() -> None:
    supervisor, stop, ended = Supervisor(), asyncio.Event(), []

    async def loop() -> None:
        await stop.wait()
        await asyncio.sleep(0)
        ended.append("gracefully")

    with pytest.raises(ValueError):
        async with supervisor.supervised(loop(), name="a loop", stop=stop.set):
            await failing(ValueError())
    assert ended == ["gracefully"]


async def test_a_loop_with_a_stop_function_is_cancelled_with_a_cancelled_block() -> None:
    supervisor, stop, cancelled = Supervisor(), asyncio.Event(), []

    async def loop() -> None:
        try:
            await endless()
        finally:
            cancelled.append(True)

    async def block() -> None:
        async with supervisor.supervised(loop(), name="a loop", stop=stop.set):
            await endless()

    running = asyncio.create_task(block())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (cancelled, stop.is_set()) == ([True], False)


def test_last_acts_are_performed_latest_first_whatever_fails(caplog: pytest.LogCaptureFixture) -> None:
    supervisor, performed = Supervisor(), []

    def defective() -> None:
        raise TypeError("a defect")

    supervisor.at_forced_end(lambda: performed.append("first"))
    supervisor.at_forced_end(defective)
    supervisor.at_forced_end(lambda: performed.append("last"))
    supervisor.perform_last_acts()
    assert performed == ["last", "first"]
    assert "last act failed: unforeseen error" in caplog.text
