"""What a child makes after its answer: it comes later, belongs to the same task, and costs the answer nothing."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from photochanger.adapters.imaging import ChildPool, ForkServer
from photochanger.adapters.imaging.children import Content
from photochanger.adapters.imaging.children.limits import MIB, TaskLimits
from photochanger.adapters.imaging.children.pixel_budget import PixelBudget

from tests.support import child_work
from tests.support.service import eventually

pytestmark = pytest.mark.anyio

PATIENT = TaskLimits(cpu_seconds=600, wall=timedelta(minutes=10))


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    server = ForkServer([child_work.HERE])
    yield server
    server.close()


@pytest.fixture
async def make(server: ForkServer) -> AsyncIterator[Callable[..., ChildPool]]:
    made: list[ChildPool] = []

    def make(**options: Any) -> ChildPool:
        made.append(ChildPool(server, **{"size": 1, "limits": PATIENT} | options))
        return made[-1]

    yield make
    for each in made:
        await each.close()


async def run(children: ChildPool, name: str, header: bytes = b"", *contents: bytes | int) -> Content:
    return await children.run(f"{child_work.HERE}:{name}", header, contents)


async def later(answer: Content) -> bytes | None:
    assert answer.later is not None
    return await answer.later


async def pid(children: ChildPool) -> bytes:
    return (await run(children, "compute", b"0")).header


@pytest.mark.parametrize("size", [0, 100_000, 3 * MIB])
async def test_a_content_follows_its_answer(make: Callable[..., ChildPool], size: int) -> None:
    children = make()
    used = await pid(children)
    for number in range(2):
        sent = os.urandom(size)
        answer = await run(children, "echo_later", b"%d" % number, sent)
        assert (answer.header, answer.contents, await later(answer)) == (b"%d" % number, [], sent)
    assert await later(await run(children, "nothing_later")) is None
    assert await pid(children) == used


async def test_the_next_task_waits_for_what_follows_the_last_answer(make: Callable[..., ChildPool]) -> None:
    """Else there were more children at work than there may be."""
    budget = PixelBudget(100)
    children = make(budget=budget)
    waiting = await run(children, "wait_later")
    assert budget.free == 99
    following = asyncio.create_task(run(children, "echo", b"", b"next"))
    psutil.Process(int(waiting.header)).kill()
    assert await later(waiting) is None
    assert (await following).contents == [b"next"]
    await asyncio.to_thread(eventually, lambda: budget.free == 100)


@pytest.mark.parametrize(("name", "header"), [("die_later", b"%d" % signal.SIGSEGV), ("fail_later", b"guest-data")])
async def test_an_end_after_the_answer_costs_only_what_follows(
    make: Callable[..., ChildPool], tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, header: bytes
) -> None:
    children = make()
    with (tmp_path / "notes").open("w+") as notes:
        answer = await run(children, name, header, notes.fileno())
        assert (answer.header, await later(answer)) == (b"alive", None)
    assert len((tmp_path / "notes").read_text()) <= 1, "it is not done again"
    assert "guest-data" not in caplog.text
    assert [record.levelname in ("WARNING", "ERROR") for record in caplog.records] == [True]
    assert (await run(children, "echo", b"", b"next")).contents == [b"next"]


async def test_what_takes_too_long_after_the_answer_is_ended(
    make: Callable[..., ChildPool], monkeypatch: pytest.MonkeyPatch
) -> None:
    children = make()
    answer = await run(children, "wait_later")
    monkeypatch.setattr(children, "_limits", TaskLimits(wall=timedelta(milliseconds=1)))
    assert await later(answer) is None
    await asyncio.to_thread(eventually, lambda: not psutil.pid_exists(int(answer.header)))


async def test_closing_ends_a_child_that_goes_on(make: Callable[..., ChildPool]) -> None:
    children = make()
    answer = await run(children, "wait_later")
    await children.close()
    assert await later(answer) is None
    await asyncio.to_thread(eventually, lambda: not psutil.pid_exists(int(answer.header)))
