"""Pixels in work: first come, first served, none lost."""

from __future__ import annotations

import asyncio

import pytest
from photochanger.adapters.imaging.children.pixel_budget import PixelBudget

pytestmark = pytest.mark.anyio


async def turns() -> None:
    """Let everything run that can."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_pictures_share_the_budget_until_it_is_used_up() -> None:
    budget = PixelBudget(100)
    assert [await budget.acquire(40), await budget.acquire(60)] == [40, 60]
    third = asyncio.create_task(budget.acquire(1))
    await turns()
    assert (third.done(), budget.free, budget.waiting) == (False, 0, 1)
    budget.release(60)
    assert await third == 1
    assert (budget.free, budget.waiting) == (59, 0)


async def test_a_large_picture_is_not_passed_over_by_small_ones() -> None:
    budget = PixelBudget(100)
    await budget.acquire(50)
    order: list[str] = []

    async def work(name: str, pixels: int) -> None:
        held = await budget.acquire(pixels)
        order.append(name)
        budget.release(held)

    tasks = [asyncio.create_task(work(name, pixels)) for name, pixels in (("large", 100), ("small", 1), ("last", 1))]
    await turns()
    assert order == []
    budget.release(50)
    await asyncio.wait(tasks)
    assert order == ["large", "small", "last"]
    assert budget.free == 100


async def test_a_picture_beyond_the_budget_is_in_work_alone() -> None:
    budget = PixelBudget(100)
    held = await budget.acquire(10_000)
    assert (held, budget.free) == (100, 0)
    budget.release(held)
    assert budget.free == 100


async def test_who_is_cancelled_lets_the_next_one_through() -> None:
    budget = PixelBudget(100)
    await budget.acquire(50)
    large = asyncio.create_task(budget.acquire(100))
    small = asyncio.create_task(budget.acquire(10))
    await turns()
    large.cancel()
    assert await small == 10
    assert (budget.free, budget.waiting) == (40, 0)


async def test_nothing_is_lost_where_the_turn_comes_with_the_cancellation() -> None:
    budget = PixelBudget(100)
    await budget.acquire(100)
    waiting = asyncio.create_task(budget.acquire(30))
    await turns()
    budget.release(100)
    waiting.cancel()
    await asyncio.wait([waiting])
    assert (budget.free, budget.waiting) == (100, 0)
