"""The waiting line: bounded, fair between addresses, and in order after cancellations."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from photochanger.adapters.memory import FakeClock
from photochanger.core.domain.errors import TooManyAttempts
from photochanger.core.services.auth.waiting_line import WaitingLine

pytestmark = pytest.mark.anyio


class Callers:
    """Callers of a line: each notes its name when its turn comes and keeps the turn until `go_on`."""

    def __init__(self, *, size: int = 8, share: int = 3) -> None:
        self.line = WaitingLine(size=size, share=share)
        self.clock = FakeClock()
        self.served: list[str] = []
        self.refused: list[str] = []
        self.inside = 0
        self._going_on = asyncio.Semaphore(0)

    async def come(
        self, name: str, address: str, *, preferred: bool = False, share: int | None = None
    ) -> asyncio.Task[None]:
        task = asyncio.ensure_future(self._call(name, address, preferred=preferred, share=share))
        await self.settle()
        return task

    async def go_on(self, times: int = 1) -> None:
        for _ in range(times):
            self._going_on.release()
            await self.settle()

    async def settle(self) -> None:
        await self.clock.advance(timedelta(0))

    async def _call(self, name: str, address: str, *, preferred: bool, share: int | None) -> None:
        try:
            async with self.line.turn(address, preferred=preferred, share=share):
                self.inside += 1
                assert self.inside == 1
                self.served.append(name)
                try:
                    await self._going_on.acquire()
                finally:
                    self.inside -= 1
        except TooManyAttempts:
            self.refused.append(name)


async def test_addresses_take_turns_and_preferred_ones_come_first() -> None:
    callers = Callers()
    for name, address in (("a1", "a"), ("a2", "a"), ("a3", "a"), ("b1", "b"), ("b2", "b")):
        await callers.come(name, address)
    await callers.come("known", "c", preferred=True)
    await callers.go_on(6)
    assert callers.served == ["a1", "known", "a2", "b1", "a3", "b2"]
    assert len(callers.line) == 0


async def test_the_surplus_of_an_address_is_refused_at_once() -> None:
    callers = Callers(share=3)
    for number in range(6):
        await callers.come(f"a{number}", "a")
    assert callers.refused == ["a4", "a5"]  # one is inside, three wait
    await callers.come("b", "b")
    await callers.come("c", "c", share=1)
    await callers.come("c again", "c", share=1)
    assert callers.refused == ["a4", "a5", "c again"]


async def test_a_refusal_says_when_to_try_again() -> None:
    line = WaitingLine(size=0, share=1)
    async with line.turn("a", preferred=False):
        with pytest.raises(TooManyAttempts, match="in 5 s") as refused:
            async with line.turn("b", preferred=True):
                pass
    assert refused.value.retry_after == 5


async def test_networks_of_one_ipv6_site_share_their_places() -> None:
    callers = Callers(share=1)
    await callers.come("first", "2001:db8:0:1::1")
    await callers.come("second", "2001:db8:0:2::1")
    await callers.come("third", "2001:db8:0:3::1")
    assert callers.refused == ["third"]


async def test_a_newcomer_takes_the_place_of_the_address_that_fills_the_line() -> None:
    callers = Callers(size=4, share=4)
    for number in range(5):
        await callers.come(f"a{number}", "a")
    await callers.come("b0", "b")
    assert callers.refused == ["a4"]
    await callers.come("b1", "b")
    assert callers.refused == ["a4", "a3"]
    await callers.come("b2", "b")  # both have two places now
    assert callers.refused == ["a4", "a3", "b2"]
    await callers.go_on(5)
    assert callers.served == ["a0", "a1", "b0", "a2", "b1"]


async def test_a_preferred_newcomer_finds_a_place_unless_all_that_wait_are_preferred() -> None:
    callers = Callers(size=2, share=2)
    for name in "abc":
        await callers.come(name, name)
    await callers.come("d", "d")
    assert callers.refused == ["d"]
    for number in range(3):
        await callers.come(f"known {number}", "e", preferred=True)
    assert callers.refused == ["d", "b", "c", "known 2"]
    await callers.go_on(3)
    assert callers.served == ["a", "known 0", "known 1"]


async def test_a_preferred_address_gets_half_of_the_line() -> None:
    callers = Callers(size=8, share=1)
    for number in range(6):
        await callers.come(f"known {number}", "a", preferred=True)
    assert callers.refused == ["known 5"]  # one is inside, four wait
    await callers.come("other", "b")
    await callers.come("another known", "c", preferred=True)
    await callers.go_on(7)
    assert callers.served[1:3] == ["known 1", "another known"]
    assert callers.served[-1] == "other"


async def test_a_caller_that_leaves_gives_its_place_and_its_turn_away() -> None:
    callers = Callers()
    first, second, third = [await callers.come(name, name) for name in "abc"]
    second.cancel()
    await callers.settle()
    assert len(callers.line) == 1
    first.cancel()
    await callers.settle()
    assert callers.served == ["a", "c"]
    third.cancel()
    await callers.settle()
    await callers.come("d", "d")
    assert callers.served == ["a", "c", "d"]


async def test_a_caller_that_leaves_in_the_moment_of_its_turn_passes_it_on() -> None:
    callers = Callers()
    first, second, _ = [await callers.come(name, name) for name in "abc"]
    first.cancel()
    await asyncio.sleep(0)  # `a` has left the line; `b` has the turn but has not run
    second.cancel()
    await callers.settle()
    assert callers.served[-1] == "c"


@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("come"), st.integers(0, 5), st.booleans()),
            st.tuples(st.just("go on"), st.just(0), st.just(False)),
            st.tuples(st.just("leave"), st.integers(0, 100), st.just(False)),
        ),
        max_size=60,
    )
)
@settings(max_examples=60, deadline=None)
def test_everyone_is_served_or_refused_or_left_whatever_happens(steps: list[tuple[str, int, bool]]) -> None:
    async def run() -> None:
        callers = Callers(size=5, share=2)
        tasks: list[asyncio.Task[None]] = []
        for step, number, preferred in steps:
            if step == "come":
                tasks.append(await callers.come(str(len(tasks)), f"host {number}", preferred=preferred))
            elif step == "go on":
                await callers.go_on()
            elif tasks:
                tasks[number % len(tasks)].cancel()
                await callers.settle()
            assert len(callers.line) <= 5
        await callers.go_on(len(tasks) + 1)
        assert all(task.done() for task in tasks)
        assert len(callers.line) == 0
        last = await callers.come("last", "elsewhere")
        assert callers.served[-1] == "last"
        await callers.go_on()
        assert last.done()

    asyncio.run(run())
