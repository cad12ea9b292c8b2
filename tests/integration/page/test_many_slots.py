"""The page with a thousand slots: what it holds and draws does not grow with them, and each is found."""

from __future__ import annotations

from pathlib import Path

import pytest
from photochanger.core.domain.slots.slot import slot_ids
from playwright.async_api import Browser, expect

from tests.support.browsing import browsing
from tests.support.http_server import serving

pytestmark = pytest.mark.anyio

SHOWN = 48
COUNT_NODES = "() => document.getElementsByTagName('*').length"


async def test_a_thousand_slots_are_shown_in_parts_and_found(tmp_path: Path, chromium: Browser) -> None:
    async with (
        serving(tmp_path, slot_count=1000) as service,
        browsing(chromium, f"http://127.0.0.1:{service.port}") as tab,
    ):
        page = tab.page
        await tab.open()
        await tab.sign_in()
        ids = page.locator(".slot-card .slot-what > p:first-of-type")
        await expect(page.get_by_text("4 of 1,000 active")).to_be_visible()
        await expect(ids).to_have_count(SHOWN)
        assert await ids.all_text_contents() == [*slot_ids(SHOWN)]
        assert await page.evaluate(COUNT_NODES) < 60 * SHOWN

        search = page.get_by_role("searchbox", name="Search slots")
        await search.fill("slot-10")
        await expect(ids).to_have_text([*slot_ids(109)[99:], "slot-1000"])
        await page.get_by_role("link", name="Slot 1000").click()
        await expect(page.locator("h1")).to_have_text("Slot 1000")

        # What lists every slot does so in few elements: an option, or a row of text.
        for place in ("jobs", "pictures", "statistics", "settings"):
            await tab.open(f"/#/{place}")
            await expect(page.locator("h1")).to_have_text(place.capitalize())
            assert await page.evaluate(COUNT_NODES) < 5 * 1000
