"""The page shows one success rate in all its places."""

from __future__ import annotations

import asyncio
import csv

import pytest
from playwright.async_api import expect

from tests.support.administration import Administrator
from tests.support.browsing import Browsing
from tests.support.http_server import Service
from tests.support.success_rate import RATE, photos_of_every_kind

pytestmark = pytest.mark.anyio

SHOWN = f"{RATE:.0%}"


async def test_strip_card_statistics_and_file_agree(tab: Browsing, service: Service, admin: Administrator) -> None:
    page = tab.page
    await photos_of_every_kind(service, admin)
    await tab.open("/#/slots")
    await tab.sign_in()
    strip = page.get_by_label("The evening at a glance")
    await expect(strip.locator("div", has=page.get_by_text("Success rate")).locator("b").first).to_have_text(SHOWN)
    await expect(page.locator(".slot-card").first).to_contain_text(f"{SHOWN} done")
    await expect(page.locator(".slot-reasons").first).to_contain_text("Unusable photo")

    await page.get_by_role("link", name="Statistics", exact=True).click()
    tile = page.locator(".sum-tile", has=page.get_by_text("Success rate", exact=True)).get_by_role("definition")
    await expect(tile).to_have_text(SHOWN)
    async with page.expect_download() as download:
        await page.get_by_role("button", name="Export CSV").click()
    data = await asyncio.to_thread((await (await download.value).path()).read_bytes)
    rows = list(csv.DictReader(data.decode("utf-8-sig").splitlines()))
    assert [float(row["success_rate"]) for row in rows if row["slot_id"] == "slot-001"] == [RATE]
