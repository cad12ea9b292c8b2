"""Jobs at ComfyUI that nobody needs any more are stopped, and never those of other guests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from photochanger.adapters.providers.comfyui.provider import ComfyuiProvider
from photochanger.core.services.support.concurrency import TaskSet

from tests.support.standins.calls import FixedContext
from tests.support.standins.comfyui import PICTURE, ComfyuiStandIn, Generation
from tests.support.standins.comfyui_calls import TICK, made
from tests.support.standins.server import Answer, Exchange, Held, hang, reset

pytestmark = pytest.mark.anyio


@pytest.fixture(params=Generation)
async def service(request: pytest.FixtureRequest) -> AsyncIterator[ComfyuiStandIn]:
    async with ComfyuiStandIn(request.param) as running:
        running.polls = 10**6
        yield running
        assert running.refused == []


@pytest.fixture
async def comfyui(service: ComfyuiStandIn) -> AsyncIterator[ComfyuiProvider]:
    provider = ComfyuiProvider(FixedContext(base_url=service.url), poll_interval=TICK)
    yield provider
    await provider.close()


async def cancelled_while(comfyui: ComfyuiProvider, service: ComfyuiStandIn, call: str, count: int = 1) -> None:
    """Cancel a call of the provider when this call of its has come."""
    calls, before = TaskSet(), len(service.calls(call))
    task = calls.start(made(comfyui), name="a call")
    await service.until(lambda: len(service.calls(call)) >= before + count)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    await comfyui.close()


async def test_a_running_job_is_interrupted_where_the_version_can(
    service: ComfyuiStandIn, comfyui: ComfyuiProvider
) -> None:
    await cancelled_while(comfyui, service, "history", 3)
    (ours,) = service.graphs
    if service.generation is Generation.OLD:
        assert service.running == ours
        assert service.calls("interrupt") == []
    else:
        assert service.interrupted == [ours]
    assert len(service.calls("interrupt")) == (service.generation is Generation.BY_ID)


async def test_a_waiting_job_is_removed_and_the_running_one_of_another_guest_is_left(
    service: ComfyuiStandIn, comfyui: ComfyuiProvider
) -> None:
    service.work_for_another_guest("third-guest")
    await cancelled_while(comfyui, service, "history", 2)
    assert service.cancelled == list(service.graphs)
    assert (service.running, service.waiting) == ("other-guest", ["third-guest"])
    assert service.calls("interrupt") == []


async def test_a_job_that_ends_meanwhile_costs_no_other_guest_theirs(
    service: ComfyuiStandIn, comfyui: ComfyuiProvider
) -> None:
    async def ends_first(exchange: Exchange) -> None:
        service.restart()
        service.work_for_another_guest()
        await exchange.send(exchange.good())

    service.script(ends_first, call="cancel" if service.generation is Generation.JOBS else "delete")
    await cancelled_while(comfyui, service, "history", 2)
    assert service.running == "other-guest"
    assert service.calls("interrupt") == service.interrupted == []


async def test_a_call_that_is_cancelled_while_it_queues_leaves_no_job(
    service: ComfyuiStandIn, comfyui: ComfyuiProvider
) -> None:
    async def queued_but_silent(exchange: Exchange) -> None:
        exchange.good()
        await exchange.client_gone()

    service.work_for_another_guest()
    service.script(queued_but_silent, call="prompt")
    await cancelled_while(comfyui, service, "prompt")
    assert service.cancelled == list(service.graphs)


async def test_a_call_that_is_cancelled_before_it_queues_asks_for_nothing_more(
    service: ComfyuiStandIn, comfyui: ComfyuiProvider
) -> None:
    service.script(hang, call="upload")
    await cancelled_while(comfyui, service, "upload")
    assert [service.call_of(request) for request in service.received] == ["upload"]


@pytest.mark.parametrize("behaviour", [reset, Answer(500), Answer(401)], ids=["reset", "500", "401"])
async def test_a_cancel_that_fails_is_logged_and_harms_nothing(
    service: ComfyuiStandIn, comfyui: ComfyuiProvider, caplog: pytest.LogCaptureFixture, behaviour: Answer
) -> None:
    service.script(behaviour, call="cancel")
    await cancelled_while(comfyui, service, "history")
    assert "not cancelled" in caplog.text
    service.restart()
    service.polls = 1
    assert (await made(comfyui)).data == PICTURE


async def test_a_cancelled_call_ends_at_once_however_slow_the_service_is(
    service: ComfyuiStandIn, comfyui: ComfyuiProvider
) -> None:
    held, calls = Held(), TaskSet()
    service.script(held, call="cancel")
    task = calls.start(made(comfyui), name="a call")
    await service.until(lambda: len(service.calls("history")) > 0)
    task.cancel()
    await asyncio.wait([task])
    assert not held.has_begun or service.calls("cancel")
    await service.until(lambda: held.has_begun)
    held.release()
    await comfyui.close()


async def test_a_finished_picture_needs_no_cancel(service: ComfyuiStandIn, comfyui: ComfyuiProvider) -> None:
    service.polls = 1
    await made(comfyui)
    await comfyui.close()
    assert service.calls("cancel") == service.calls("delete") == []
    assert service.forgotten == list(service.graphs)
