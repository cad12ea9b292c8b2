"""Webhook delivery stops: nothing new is taken, and what is under way is recorded or left to its lease."""

from __future__ import annotations

import asyncio

import pytest
from photochanger.core.domain.webhook import DeliveryState
from photochanger.core.services.webhooks.delivery import GRACE

from tests.support.hooks import Hooks
from tests.support.world import SECOND

pytestmark = pytest.mark.anyio


async def waiting() -> int:
    """A receiver that never answers."""
    return await asyncio.get_running_loop().create_future()


async def test_a_stopped_loop_takes_nothing_new_and_notes_what_is_under_way() -> None:
    let_go = asyncio.Event()

    async def held() -> int:
        await let_go.wait()
        return 200

    world = Hooks(held)
    await world.set_up()
    await world.end_job()
    async with world.delivering() as running:
        await world.called_or_waiting(1)
        world.delivery.stop()
        await world.pass_time(SECOND)
        await world.end_job()
        await world.pass_time(GRACE - 2 * SECOND)
        assert not running.done()
        let_go.set()
        await world.until(running.done)
    newest, oldest = (await world.service.deliveries()).items
    assert (newest.attempts, oldest.state) == (0, DeliveryState.DELIVERED)


async def test_calls_that_outlast_the_grace_are_left_to_their_lease() -> None:
    world = Hooks(waiting)
    await world.set_up()
    await world.end_job()
    async with world.delivering() as running:
        await world.called_or_waiting(1)
        world.delivery.stop()
        await world.pass_time(GRACE)
        await world.until(running.done)
    assert (await world.only()).state is DeliveryState.PENDING


async def test_an_idle_loop_stops_at_once() -> None:
    world = Hooks()
    await world.set_up()
    async with world.delivering() as running:
        await world.until(lambda: world.outbox.calls)
        world.delivery.stop()
        await world.until(running.done)
