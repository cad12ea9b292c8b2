"""What is saved on the page of a slot stays in its form, whatever the page reads meanwhile."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import APIResponse, Route, expect

from tests.support.browsing import HANG_MS, Browsing
from tests.support.http_server import Service

pytestmark = pytest.mark.anyio


async def test_a_slot_that_was_asked_for_before_it_was_saved_brings_nothing_back(
    tab: Browsing, service: Service
) -> None:
    page = tab.page
    read: asyncio.Queue[tuple[Route, APIResponse]] = asyncio.Queue()

    async def hold(route: Route) -> None:
        if route.request.method == "GET":
            await read.put((route, await route.fetch(timeout=HANG_MS)))
        else:
            await route.continue_()

    await tab.open("/#/slots/slot-001")
    await tab.sign_in()
    name = page.get_by_label("Name", exact=True)
    await expect(name).to_have_value("Natural enhance")
    await expect(page.get_by_text("Live", exact=True)).to_be_visible()
    await page.route("**/api/slots/slot-001", hold)
    assert (await service.ingest("slot-001")).status_code == 200
    route, before = await read.get()
    await name.fill("Wedding")
    await page.get_by_role("button", name="Save", exact=True).click()
    await tab.said("Saved. New photos use these settings.")
    await route.fulfill(response=before)
    route, after = await read.get()  # the page has seen the answer before it asks again
    await tab.drawn()
    assert await name.input_value() == "Wedding"
    await route.fulfill(response=after)
    await expect(page.get_by_role("heading", name="Wedding", level=1)).to_be_visible()
    await expect(name).to_have_value("Wedding")
