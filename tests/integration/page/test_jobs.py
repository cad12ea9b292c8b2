"""Jobs on the page: the live list with its filters, and everything about one of them."""

from __future__ import annotations

import asyncio
import re

import pytest
from photochanger.core.domain.accounts import Permission
from playwright.async_api import Browser, Route, expect

from tests.support.administration import Administrator, token_of
from tests.support.browsing import PHONE, Browsing, browsing
from tests.support.evening import MARKUP, as_if_slow, demo_photo, named_slots, pictured, refused, second_time_lucky
from tests.support.http_server import Gate, Service, until
from tests.support.long_lists import scroll_to_end

pytestmark = pytest.mark.anyio


async def entered(tab: Browsing, path: str) -> None:
    """Go to a place of the page, and sign in there."""
    await tab.open(path)
    await tab.sign_in()


async def test_jobs_come_in_live_are_filtered_and_paged(tab: Browsing, service: Service, admin: Administrator) -> None:
    page = tab.page
    rows = page.locator("tbody tr")
    await named_slots(admin)
    await entered(tab, "/#/jobs")
    await expect(page.get_by_text("No photos yet.")).to_be_visible()
    await expect(page.get_by_text("Live", exact=True)).to_be_visible()
    assert await tab.violations() == []
    await pictured(service, "slot-005", "portrait")
    await expect(rows).to_have_count(1)
    await pictured(service, "slot-006", "cat")
    await refused(service)
    await pictured(service, "slot-007", "pavilion")
    await expect(rows).to_have_count(4)
    await expect(rows.nth(0)).to_have_class(re.compile("job-arrives"))
    await expect(rows.nth(1)).to_contain_text(MARKUP)
    await expect(rows.nth(1)).to_contain_text("Provider failed")

    await page.get_by_label("State").select_option("Failed")
    await expect(rows).to_have_count(1)
    assert page.url.endswith("#/jobs?state=failed")
    await service.ingest("slot-001")  # is no failure, and must not appear
    await refused(service)
    await expect(rows).to_have_count(2)
    await page.reload()
    await expect(rows).to_have_count(2)
    await page.get_by_label("Source").select_option("Test run")
    await expect(page.get_by_text("No job matches these filters.")).to_be_visible()
    await page.get_by_role("button", name="Clear filters").click()
    await expect(rows).to_have_count(6)
    await page.get_by_label("Order").select_option("Oldest first")
    await expect(rows.nth(0)).to_contain_text("Pencil portraits")
    await page.get_by_label("From").fill("2100-01-01T00:00")
    await expect(page.get_by_text("No job matches these filters.")).to_be_visible()

    await asyncio.gather(*(service.ingest("slot-002") for _ in range(32)))
    await tab.open("/#/jobs")
    await expect(page.get_by_text("30 jobs shown, more below")).to_be_visible()
    # Scrolling to the button reads the page as well.
    await page.get_by_role("button", name="Show more").evaluate("(button) => button.click()")
    await expect(page.get_by_text("38 jobs", exact=True).first).to_be_visible()
    await expect(page.get_by_role("button", name="Show more")).to_be_hidden()
    await page.evaluate("() => scrollTo(0, document.documentElement.scrollHeight)")
    await pictured(service, "slot-006", "coffee")
    await expect(page.get_by_role("button", name="1 new job")).to_be_visible()
    await expect(page.locator(".page-head")).to_contain_text("38 jobs")
    await page.get_by_role("button", name="1 new job").click()
    await expect(page.locator(".page-head")).to_contain_text("39 jobs")
    await expect(rows.nth(0)).to_contain_text("Pop art wall")
    await expect(rows.nth(0)).to_be_in_viewport()
    await rows.nth(0).get_by_role("link").focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_contain_text("Job of")


async def test_live_jobs_show_what_is_left_and_are_cancelled(
    tab: Browsing, service: Service, admin: Administrator
) -> None:
    page = tab.page
    rows = page.locator("tbody tr")
    await named_slots(admin)
    for slot_id, photo in (("slot-005", "portrait"), ("slot-006", "cat"), ("slot-007", "pavilion")):
        await pictured(service, slot_id, photo)
    await refused(service)
    gate = service.provider.script = Gate()
    waiting = [asyncio.create_task(service.ingest("slot-001")) for _ in range(2)]
    await gate.held(2)
    await entered(tab, "/#/jobs")
    await expect(rows).to_have_count(6)
    await expect(rows.nth(0)).to_contain_text("Processing")
    await expect(rows.nth(0)).to_contain_text("left")
    await expect(page.locator(".job-thumbnail img")).to_have_count(3)
    await tab.photograph("jobs")
    assert await tab.violations() == []
    assert not await tab.scrolls_sideways()

    await rows.nth(0).get_by_role("button", name="Cancel").click()
    dialog = page.get_by_role("dialog", name="Cancel this job?")
    await expect(dialog).to_be_visible()
    await tab.photograph("jobs_cancel", whole=False)
    assert await tab.violations() == []
    await dialog.get_by_role("button", name="Cancel the job").click()
    await tab.said("The job is cancelled.")
    await expect(rows.nth(0)).to_contain_text("Cancelled")

    async def too_late(route: Route) -> None:
        gate.opened.set()
        await asyncio.gather(*waiting)
        await route.continue_()

    await page.route("**/api/jobs/*/cancel", too_late)
    await rows.nth(1).get_by_role("button", name="Cancel").click()
    await dialog.get_by_role("button", name="Cancel the job").click()
    await tab.said("The job has already ended.")
    await expect(rows.nth(1)).to_contain_text("Done")


async def test_a_job_tells_everything_that_happened_to_it(
    tab: Browsing, service: Service, admin: Administrator
) -> None:
    page = tab.page
    await named_slots(admin)
    service.provider.script = second_time_lucky(demo_photo("portrait"))
    lucky = await pictured(service, "slot-001", "portrait", name="IMG_0001.JPG", guest="<i>Anna</i>")
    await as_if_slow(service, lucky, 6.4, 17.2)
    await entered(tab, f"/#/jobs/{lucky}")
    await expect(page.get_by_role("heading", level=1)).to_contain_text("Job of")
    timeline = page.get_by_role("region", name="What happened")
    lines = timeline.get_by_role("listitem")
    await expect(lines).to_have_text(
        [
            re.compile("Received"),
            re.compile("Started by a worker"),
            re.compile(r"\+0.4 .*Call 1: Scripted.*worth a retry.*NO_IMAGE: the answer holds no picture.*6.4 sec"),
            re.compile(r"\+7.4 .*Call 2: Scripted.*Picture.*17.2 sec"),
            re.compile("Ended: Done"),
        ]
    )
    widths = await timeline.locator(".timeline-bar").evaluate_all("(bars) => bars.map((bar) => bar.style.width)")
    assert [round(float(width.rstrip("%"))) for width in widths] == [round(640 / 48), round(1720 / 48)]
    await expect(page.get_by_role("cell", name="<i>Anna</i>")).to_be_visible()
    await expect(page.get_by_role("link", name=MARKUP)).to_have_attribute("href", "#/slots/slot-001")
    await tab.photograph("job")
    assert await tab.violations() == []
    async with page.expect_download() as download:
        await page.get_by_role("link", name="Download").click()
    assert (await (await download.value).path()).read_bytes().startswith(b"\xff\xd8")
    await page.get_by_role("button", name="Copy the job's id").click()
    await tab.said("Copied")
    await page.get_by_role("button", name="View the full picture").click()
    await expect(page.get_by_role("dialog").get_by_role("img")).to_be_visible()
    assert await tab.violations() == []
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_be_hidden()

    async def copied() -> bool:
        return (await admin("GET", f"/api/jobs/{lucky}/photo")).status_code == 200

    await until(copied)
    await page.reload()
    await page.get_by_role("button", name="Before and after").click()
    await expect(page.get_by_role("img", name="Before")).to_be_visible()
    await page.get_by_label("How much of the photo before is shown").press("End")
    await expect(page.get_by_label("How much of the photo before is shown")).to_have_value("100")
    assert await tab.violations() == []
    await page.keyboard.press("Escape")
    await service.expire_result(lucky)
    await page.reload()
    await expect(page.get_by_text("The picture has expired and was deleted.")).to_be_visible()

    gate = service.provider.script = Gate()
    waiting = asyncio.create_task(service.ingest("slot-001"))
    await gate.held(1)
    running = next(job.id for job in service.database.jobs.values() if job.result is None)
    await tab.open(f"/#/jobs/{running}")
    await expect(lines.last).to_contain_text("Running for")
    await expect(page.get_by_role("button", name="Cancel")).to_be_visible()
    gate.opened.set()
    await waiting
    await expect(lines.last).to_contain_text("Ended: Done")
    await expect(page.get_by_role("button", name="View the full picture")).to_be_visible()
    await expect(page.get_by_role("button", name="Cancel")).to_be_hidden()
    await expect(lines.filter(has_text="Call 1: Scripted")).to_have_count(1)
    await tab.open("/#/jobs/01980000-0000-7000-8000-000000000000")
    await expect(page.get_by_text("This job does not exist")).to_be_visible()


async def test_jobs_on_a_russian_phone_that_may_only_look(
    service: Service, admin: Administrator, chromium: Browser
) -> None:
    await named_slots(admin)
    await pictured(service, "slot-005", "portrait")
    await pictured(service, "slot-006", "cat")
    service.provider.script = second_time_lucky(demo_photo("pavilion"))
    job_id = await pictured(service, "slot-001", "pavilion", guest="Анна")
    await as_if_slow(service, job_id, 9.1, 12.5)
    gate = service.provider.script = Gate()
    waiting = asyncio.create_task(service.ingest("slot-001"))
    await gate.held(1)
    token = await token_of(service, Permission.JOBS_READ)
    url = f"http://127.0.0.1:{service.port}"
    look = {"locale": "ru-RU", "color_scheme": "dark", "extra_http_headers": {"Authorization": f"Bearer {token}"}}
    async with browsing(chromium, url, size=PHONE, **look) as tab:
        page = tab.page
        await tab.open("/#/jobs")
        cards = page.get_by_role("list", name="Задания, страница за страницей").get_by_role("listitem")
        await expect(cards).to_have_count(4)
        await expect(cards.nth(0)).to_contain_text("осталось")
        await expect(cards.nth(1)).to_contain_text("slot-001")
        await expect(page.get_by_role("button", name="Отменить")).to_be_hidden()
        await expect(page.locator(".job-thumbnail img")).to_have_count(3)
        await tab.photograph("jobs_phone")
        assert await tab.violations() == []
        assert not await tab.scrolls_sideways()
        await page.get_by_text("Фильтры").click()
        await expect(page.get_by_label("Состояние")).to_be_visible()
        await expect(page.get_by_label("Слот")).to_be_hidden()
        await tab.photograph("jobs_phone_filters")
        assert await tab.violations() == []
        assert not await tab.scrolls_sideways()
        await page.get_by_label("Состояние").select_option("Готово")
        await expect(cards).to_have_count(3)
        await cards.nth(0).get_by_role("link").click()
        await expect(page.get_by_role("heading", level=1)).to_contain_text("Задание от")
        await expect(page.get_by_role("region", name="Что происходило").get_by_role("listitem")).to_have_count(5)
        await tab.photograph("job_phone")
        assert await tab.violations() == []
        assert not await tab.scrolls_sideways()
    gate.opened.set()
    await waiting


async def test_a_list_that_is_watched_stays_bounded(tab: Browsing, service: Service, admin: Administrator) -> None:
    page = tab.page
    held = page.locator(".page-head")
    for _ in range(300):
        assert (await service.ingest("slot-001")).status_code == 200
    await entered(tab, "/#/jobs")
    await expect(held).to_contain_text("30 jobs shown, more below")
    await scroll_to_end(page)
    await expect(held).to_contain_text("300 jobs")
    # A user who looks at the newest has no use for the oldest; they are read again on the way to them.
    await page.evaluate("() => scrollTo(0, 0)")
    last = (await service.ingest("slot-001")).headers["x-job-id"]
    await expect(page.locator("tbody tr").first.locator("a")).to_have_attribute("href", f"#/jobs/{last}")
    await expect(held).to_contain_text("30 jobs shown, more below")
    await scroll_to_end(page)
    await expect(held).to_contain_text("301 jobs")
    await page.evaluate("() => scrollTo(0, 0)")
    await page.get_by_label("Result").select_option("Only the fallback answer")
    await expect(page.get_by_text("No job matches these filters.")).to_be_visible()
