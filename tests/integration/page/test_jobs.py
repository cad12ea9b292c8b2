"""Jobs on the page: the live list with its filters, and everything about one of them."""

from __future__ import annotations

import asyncio
import re

import pytest
from administration import Administrator
from browsing import PHONE, Browsing, browsing
from evening import MARKUP, demo_photo, named_slots, pictured, refused, second_time_lucky
from http_server import Gate, Service
from playwright.async_api import Browser, expect

pytestmark = pytest.mark.anyio


async def entered(tab: Browsing, admin: Administrator, path: str) -> None:
    await tab.page.context.set_extra_http_headers({"Authorization": f"Bearer {admin.token}"})
    await tab.open(path)
    await tab.page.reload()


async def test_jobs_are_listed_live_filtered_and_cancelled(
    tab: Browsing, service: Service, admin: Administrator
) -> None:
    page = tab.page
    await entered(tab, admin, "/#/jobs")
    await expect(page.get_by_text("No photo has come in yet.")).to_be_visible()
    await tab.photograph("jobs_empty")
    await named_slots(admin)
    await pictured(service, "slot-005", "portrait")
    await expect(page.get_by_role("row")).to_have_count(2)
    await pictured(service, "slot-006", "cat")
    await refused(service)
    await pictured(service, "slot-007", "pavilion")
    gate = service.provider.script = Gate()
    waiting = asyncio.create_task(service.ingest("slot-001"))
    await gate.held(1)
    await page.reload()
    rows = page.get_by_role("row")
    await expect(rows).to_have_count(6)
    await expect(rows.nth(1)).to_contain_text(MARKUP)
    await expect(rows.nth(1)).to_contain_text("In the works")
    await expect(rows.nth(1)).to_contain_text("left")
    await tab.photograph("jobs")
    assert await tab.violations() == []
    assert not await tab.scrolls_sideways()
    waiting.cancel()


async def test_a_job_tells_everything_that_happened_to_it(
    tab: Browsing, service: Service, admin: Administrator
) -> None:
    page = tab.page
    await named_slots(admin)
    service.provider.script = second_time_lucky(demo_photo("portrait"))
    lucky = await pictured(service, "slot-001", "portrait", name="IMG_0001.JPG", guest="<i>Anna</i>")
    await service.call_noted(lucky)
    await entered(tab, admin, f"/#/jobs/{lucky}")
    await expect(page.get_by_role("heading", level=1)).to_contain_text("Job of")
    timeline = page.get_by_role("region", name="What happened")
    await expect(timeline.get_by_role("listitem")).to_have_count(5)
    await expect(timeline).to_contain_text("NO_IMAGE: the answer holds no picture.")
    await expect(page.get_by_role("cell", name="<i>Anna</i>")).to_be_visible()
    await tab.photograph("job")
    assert await tab.violations() == []
    await page.get_by_role("button", name="Look at the picture in full").click()
    await expect(page.get_by_role("dialog")).to_be_visible()
    await tab.photograph("job_picture", whole=False)
    assert await tab.violations() == []
    await page.keyboard.press("Escape")
    await page.set_viewport_size(PHONE)
    await tab.photograph("job_phone")
    assert not await tab.scrolls_sideways()
    await tab.open("/#/jobs")
    await expect(page.get_by_role("listitem")).to_have_count(1)
    await tab.photograph("jobs_phone")
