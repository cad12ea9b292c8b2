"""The page on a long evening: what it holds does not grow with events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest
from playwright.async_api import Browser, CDPSession, expect

from tests.support.browsing import browsing
from tests.support.http_server import Service, serving, until

pytestmark = pytest.mark.anyio

ROUND = 24
"""Photos that come while a list is shown; the page hears several events of each."""


class Held(NamedTuple):
    """What the tab holds after a collection of garbage."""

    nodes: int
    listeners: int
    heap_bytes: int


@pytest.fixture(scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    async with serving(tmp_path_factory.mktemp("long")) as running:
        yield running


async def held(tab: CDPSession) -> Held:
    await tab.send("HeapProfiler.collectGarbage")
    metrics = {one["name"]: int(one["value"]) for one in (await tab.send("Performance.getMetrics"))["metrics"]}
    return Held(metrics["Nodes"], metrics["JSEventListeners"], metrics["JSHeapUsedSize"])


async def photos_arrive(service: Service) -> str:
    """The job of the last photo of a round."""
    for _ in range(ROUND // 8):
        answers = await asyncio.gather(*(service.ingest("slot-001") for _ in range(8)))
        assert {answer.status_code for answer in answers} == {200}
    last: str = (await service.ingest("slot-001")).headers["x-job-id"]
    return last


async def test_nothing_is_left_of_photos_that_came_and_went(service: Service, chromium: Browser) -> None:
    async with browsing(chromium, f"http://127.0.0.1:{service.port}") as tab:
        page = tab.page
        debugger = await page.context.new_cdp_session(page)
        await debugger.send("Performance.enable")
        await tab.open()
        await tab.sign_in()

        async def evening() -> None:
            for place, job in (("jobs", 'a[href$="{}"]'), ("pictures", 'img[src*="{}"]')):
                await tab.open(f"/#/{place}")
                await expect(page.locator("h1")).to_have_text(place.capitalize())
                last = await photos_arrive(service)
                await expect(page.locator(job.format(last)).first).to_be_visible()
            await tab.open("/#/nowhere")
            await expect(page.get_by_text("Page not found.")).to_be_visible()

        await evening()
        await evening()
        warm = await held(debugger)
        await evening()

        async def is_flat() -> bool:
            # What a request that was under way holds goes with its answer.
            end = await held(debugger)
            return (
                end.nodes <= warm.nodes + 20
                and end.listeners <= warm.listeners + 5
                and end.heap_bytes <= warm.heap_bytes + 1_000_000
            )

        await until(is_flat)
