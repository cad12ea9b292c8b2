"""Child processes for pictures: what they have, what ends them, and what that costs."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from photochanger.adapters.imaging import ChildPool, ForkServer
from photochanger.adapters.imaging.children import ChildFailed, Content, TaskEnded, fork_server, pool
from photochanger.adapters.imaging.children.limits import MIB, TaskLimits
from photochanger.adapters.imaging.children.pixel_budget import PixelBudget
from photochanger.core.domain.errors import StorageUnavailable

from tests.support import child_work
from tests.support.service import eventually, has_ended

pytestmark = pytest.mark.anyio

PATIENT = TaskLimits(cpu_seconds=600, wall=timedelta(minutes=10))
"""Limits that a task in a slow test does not meet."""


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    """The fork server of these tests, which starts once."""
    server = ForkServer([child_work.HERE])
    yield server
    server.close()


@pytest.fixture
async def make(server: ForkServer) -> AsyncIterator[Callable[..., ChildPool]]:
    made: list[ChildPool] = []

    def make(**options: Any) -> ChildPool:
        made.append(ChildPool(server, **{"size": 2, "limits": PATIENT} | options))
        return made[-1]

    yield make
    for each in made:
        await each.close()


@pytest.fixture
def notes(tmp_path: Path) -> Iterator[Notes]:
    notes = Notes(tmp_path / "notes")
    yield notes
    os.close(notes.file)


class Notes:
    """A file that tasks write into."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = os.open(path, os.O_RDWR | os.O_CREAT)

    def text(self) -> str:
        return self.path.read_text()


async def run(children: ChildPool, name: str, header: bytes = b"", *contents: bytes | int) -> Content:
    return await children.run(f"{child_work.HERE}:{name}", header, contents)


async def process(children: ChildPool) -> dict[str, Any]:
    """What a child says of itself."""
    facts: dict[str, Any] = json.loads((await run(children, "process")).header)
    return facts


async def waiting_child(notes: Notes) -> psutil.Process:
    """The child that has noted its number and waits for ever."""
    text = await asyncio.to_thread(eventually, notes.text)
    return psutil.Process(int(text))


async def until(look: Callable[[], object]) -> None:
    """Wait until this is true, while the event loop runs."""
    await asyncio.to_thread(eventually, look)


@pytest.mark.parametrize("size", [0, 1, 100_000, 3 * MIB, 20 * MIB])
async def test_contents_go_there_and_back_again_and_again(make: Callable[..., ChildPool], size: int) -> None:
    children = make(size=1)
    for number in range(3):
        sent = os.urandom(size // (number + 1))
        answer = await run(children, "echo", b"header %d" % number, sent)
        assert answer == (b"header %d" % number, [sent], None)


async def test_a_child_has_no_secrets_and_no_files_of_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHOTOCHANGER_SECRET_KEY", "a secret that no child may know")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another one")
    server = ForkServer([child_work.HERE])
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.set_inheritable(True)
        children = ChildPool(server)
        facts = await process(children)
        await children.close()
    await asyncio.to_thread(server.close)
    known = {"LANG", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONSAFEPATH", "PYTHONHOME"}
    assert facts["environment"].keys() <= known | {"MALLOC_ARENA_MAX", "VIPS_CONCURRENCY"}
    files = facts["files"]
    assert [files[number] for number in ("0", "1", "2")] == ["/dev/null"] * 3
    others = [target for number, target in files.items() if int(number) > 2 and not target.startswith("/proc/")]
    assert len(others) == 1, f"only the connection to the parent: {others}"
    assert others[0].startswith("socket:")
    assert facts["ignores"] == ["SIGINT", "SIGTERM", "SIGHUP"]
    assert facts["killed_first"] == "1000"


async def test_a_child_is_used_again_until_it_keeps_memory(make: Callable[..., ChildPool]) -> None:
    children = make(size=1)
    first = (await process(children))["pid"]
    assert (await process(children))["pid"] == first
    assert int((await run(children, "keep_memory", b"%d" % (120 * MIB))).header) == first
    assert (await process(children))["pid"] != first


async def test_cancellation_kills_the_child_and_frees_its_pixels(make: Callable[..., ChildPool], notes: Notes) -> None:
    budget = PixelBudget(100)
    children = make(size=1, budget=budget)
    task = asyncio.create_task(run(children, "wait_for_ever", b"70", notes.file))
    child = await waiting_child(notes)
    assert budget.free == 30
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    await until(lambda: has_ended(child))
    assert (await run(children, "echo", b"", b"next")).contents == [b"next"]
    await until(lambda: budget.free == 100)


async def test_a_task_that_waits_for_pixels_can_be_cancelled(make: Callable[..., ChildPool], notes: Notes) -> None:
    budget = PixelBudget(100)
    children = make(budget=budget)
    first = asyncio.create_task(run(children, "wait_for_ever", b"70", notes.file))
    await waiting_child(notes)
    second = asyncio.create_task(run(children, "wait_for_ever", b"70", notes.file))
    await until(lambda: budget.waiting == 1)
    second.cancel()
    await asyncio.wait([second])
    assert (budget.waiting, budget.free) == (0, 30)
    first.cancel()
    await asyncio.wait([first])


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGKILL], ids=lambda number: number.name)
async def test_a_picture_that_ends_two_children_is_given_up(
    make: Callable[..., ChildPool], notes: Notes, number: signal.Signals
) -> None:
    children = make()
    with pytest.raises(TaskEnded, match=number.name):
        await run(children, "die", b"%d" % number, notes.file)
    assert notes.text() == "xx"
    assert (await run(children, "echo", b"", b"next")).contents == [b"next"]


async def test_a_child_that_was_killed_once_costs_an_attempt_and_not_the_picture(
    make: Callable[..., ChildPool], notes: Notes
) -> None:
    assert (await run(make(), "die_once", b"", notes.file)).header == b"alive"
    assert notes.text() == "xx"


async def test_others_are_not_concerned_by_the_end_of_a_child(make: Callable[..., ChildPool], notes: Notes) -> None:
    children = make()
    dying = [asyncio.create_task(run(children, "die", b"9", notes.file)) for _ in range(3)]
    answers = await asyncio.gather(*(run(children, "echo", b"", b"%d" % number) for number in range(20)))
    assert [answer.contents for answer in answers] == [[b"%d" % number] for number in range(20)]
    ends = await asyncio.gather(*dying, return_exceptions=True)
    assert [type(end) for end in ends] == [TaskEnded] * 3


async def test_more_processor_time_than_allowed_ends_the_task_at_once(
    make: Callable[..., ChildPool], notes: Notes
) -> None:
    children = make(limits=TaskLimits(cpu_seconds=0.2, wall=PATIENT.wall))
    with pytest.raises(TaskEnded, match="processor time"):
        await run(children, "compute_for_ever", b"", notes.file)
    assert notes.text() == "x", "another attempt would take as long"


async def test_a_used_child_has_the_whole_time_for_its_next_task(make: Callable[..., ChildPool]) -> None:
    children = make(size=1, limits=TaskLimits(cpu_seconds=2, wall=PATIENT.wall))
    pids = {(await run(children, "compute", b"1.1")).header for _ in range(2)}
    assert len(pids) == 1


async def test_a_task_that_takes_too_long_is_ended(make: Callable[..., ChildPool], notes: Notes) -> None:
    children = make(limits=TaskLimits(cpu_seconds=600, wall=timedelta(milliseconds=500)))
    with pytest.raises(TaskEnded, match="takes longer"):
        await run(children, "wait_for_ever", b"", notes.file)
    if text := notes.text():  # else it did not come that far
        await until(lambda: not psutil.pid_exists(int(text)))


async def test_memory_beyond_the_limit_ends_the_task(make: Callable[..., ChildPool], notes: Notes) -> None:
    limits = TaskLimits(
        memory_bytes=128 * MIB, memory_bytes_per_pixel=MIB, cpu_seconds=PATIENT.cpu_seconds, wall=PATIENT.wall
    )
    children = make(limits=limits)
    assert (await process(children))["memory"] == 128 * MIB
    with pytest.raises(TaskEnded, match="memory"):
        await run(children, "take_memory", b"%d" % (400 * MIB), notes.file)
    assert notes.text() == "xx"
    await run(children, "take_memory", b"%d" % (20 * MIB), notes.file)


async def test_an_unforeseen_error_says_where_and_nothing_of_the_picture(
    make: Callable[..., ChildPool], caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ChildFailed, match=r"\AZeroDivisionError\Z"):
        await run(make(), "fail", b"guest-data")
    assert "in fail" in caplog.text
    assert "guest-data" not in caplog.text.replace("call.header.decode", "")


async def test_a_fork_server_that_was_killed_is_replaced(make: Callable[..., ChildPool], server: ForkServer) -> None:
    children = make()
    first = await process(children)
    assert server.pid == first["parent"]
    psutil.Process(server.pid).kill()
    await until(lambda: not psutil.pid_exists(first["pid"]))
    assert (await process(children))["parent"] not in (first["parent"], os.getpid())


async def test_what_has_nothing_to_do_ends_and_comes_back(make: Callable[..., ChildPool]) -> None:
    server = ForkServer([child_work.HERE])
    children = ChildPool(server, idle=timedelta(milliseconds=1))
    first = await process(children)
    await until(lambda: server.pid is None and not psutil.pid_exists(first["parent"]))
    assert (await process(children))["pid"] != first["pid"]
    await children.close()
    await asyncio.to_thread(server.close)


class SlowEnd(ForkServer):
    """A fork server whose end waits for a sign; `calls` are in their order."""

    def __init__(self) -> None:
        super().__init__([child_work.HERE])
        self.calls: list[str] = []
        self.sign = threading.Event()

    def fork(self) -> tuple[int, socket.socket]:
        self.calls.append("fork")
        return super().fork()

    def close(self) -> None:
        self.calls.append("close")
        self.sign.wait()
        super().close()
        self.calls.append("closed")


async def test_a_task_that_comes_while_all_ends_waits_for_that() -> None:
    server = SlowEnd()
    children = ChildPool(server, idle=timedelta(0))
    await process(children)
    await until(lambda: "close" in server.calls)
    coming = asyncio.create_task(process(children))
    for _ in range(100):
        await asyncio.sleep(0)
    await asyncio.to_thread(server.sign.set)
    await coming
    assert server.calls[:4] == ["fork", "close", "closed", "fork"]
    await children.close()
    await asyncio.to_thread(server.close)


async def test_a_pool_that_is_kept_ready_has_a_fresh_child_instead() -> None:
    server = ForkServer([child_work.HERE])
    children = ChildPool(server, idle=timedelta(milliseconds=1))
    await children.keep_ready()
    parent = psutil.Process(server.pid)
    first = await process(children)
    await asyncio.to_thread(eventually, lambda: [each.pid for each in parent.children()] not in ([], [first["pid"]]))
    assert server.pid == first["parent"]
    await children.close()
    await asyncio.to_thread(server.close)
    assert not parent.is_running()


async def test_without_an_interpreter_the_error_comes_after_some_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fork_server, "_interpreter", lambda: "/there/is/none")
    monkeypatch.setattr(pool, "_START_PAUSES", (0.0, 0.0))
    server = ForkServer([child_work.HERE])
    with pytest.raises(StorageUnavailable, match="No process can be started"):
        await run(ChildPool(server), "process")


async def test_a_module_that_cannot_be_loaded_is_an_error_of_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "_START_PAUSES", (0.0, 0.0))
    server = ForkServer(["photochanger.there_is_no_such_module"])
    with pytest.raises(StorageUnavailable):
        await run(ChildPool(server), "process")
    await asyncio.to_thread(server.close)


async def test_a_closed_pool_ends_what_works(make: Callable[..., ChildPool], notes: Notes) -> None:
    children = make()
    task = asyncio.create_task(run(children, "wait_for_ever", b"", notes.file))
    child = await waiting_child(notes)
    await children.close()
    with pytest.raises(StorageUnavailable, match="stopping"):
        await task
    await until(lambda: has_ended(child))
