"""The page of guests: a slot's pictures on a phone and on a screen in the hall, opened by the administrator."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import msgspec
import photochanger
import pytest
from photochanger.core.domain.slots.slot import RouteEntry
from playwright.async_api import Browser, expect

from tests.support import photos
from tests.support.administration import Administrator
from tests.support.browsing import BOOTH_HOST, LAPTOP, PHONE, Browsing, browsing
from tests.support.http_server import Service

pytestmark = pytest.mark.anyio

LOOKS = ("watercolor", "vintage", "comic", "oil")
DEMO = Path(photochanger.__file__).parent / "entrypoints/diagnostics/sample_photos"
GALLERY = "/gallery/slot-001"
_OVER_THE_CODE = """() => {
  const code = document.querySelector(".show-code").getBoundingClientRect();
  const over = ({ left, right, top, bottom }) =>
    left < code.right && right > code.left && top < code.bottom && bottom > code.top;
  const buttons = [...document.querySelectorAll(".show-ways button")];
  return buttons.filter((one) => over(one.getBoundingClientRect())).map((one) => one.textContent);
}"""
LOOK_MS, SLIDE_MS = 5_000, 6_000
"""Between two looks at the feed, and the time of one picture in the slideshow."""


async def open_gallery(admin: Administrator, *, title: str = "Anna & <b>Ben</b>") -> None:
    """Guests may look for an hour."""
    until = datetime.now(UTC) + timedelta(hours=1)
    answer = await admin.change_slot(name=title, gallery_open_until=until.isoformat())
    assert answer.status_code == 200, answer.text


async def close_gallery(admin: Administrator) -> None:
    """Guests may look no more."""
    assert (await admin.change_slot(gallery_open_until=None)).status_code == 200


async def painted(service: Service, names: Sequence[str], *, look: str) -> list[str]:
    """Demo photos through a look of the local provider; the ids of their jobs, the newest last."""
    entry = RouteEntry("local", "stylize", {"look": look})
    await service.change_slot("slot-001", entries=(entry,))
    jobs = []
    for name in names:
        photo = await asyncio.to_thread(photos.load, DEMO / f"{name}.jpg")
        answer = await service.ingest("slot-001", photo)
        assert answer.status_code == 200, answer.text
        jobs.append(answer.headers["x-job-id"])
    return jobs


def earlier(service: Service, job_id: str, *, hours: int) -> None:
    """Let a job have ended so many hours earlier."""
    job = service.database.jobs[UUID(job_id)]
    assert job.outcome is not None
    outcome = msgspec.structs.replace(job.outcome, finalized_at=job.outcome.finalized_at - timedelta(hours=hours))
    service.database.jobs[job.id] = msgspec.structs.replace(job, outcome=outcome)


async def all_shown(tab: Browsing) -> None:
    """Return once every picture of the page has been drawn."""
    await tab.page.wait_for_function("() => [...document.images].every((one) => one.complete && one.naturalWidth)")


async def test_guests_see_take_and_share_pictures_on_a_phone(
    service: Service, admin: Administrator, chromium: Browser
) -> None:
    jobs = await painted(service, ["portrait", "pavilion", "cat", "coffee"], look="oil")
    jobs += await painted(service, ["cat", "portrait", "coffee"], look="comic")
    await open_gallery(admin)
    url = f"http://{BOOTH_HOST}:{service.port}"
    earlier(service, jobs[0], hours=1)
    async with browsing(chromium, url, size=PHONE, color_scheme="dark", has_touch=True) as tab:
        page = tab.page
        await page.clock.install()
        await page.add_init_script("document.execCommand = () => { window.copied = document.activeElement.value; };")
        await tab.open(GALLERY)
        await expect(page.get_by_role("heading", name="Anna & <b>Ben</b>", level=1)).to_be_visible()
        pictures = page.get_by_role("listitem").get_by_role("link")
        await expect(pictures).to_have_count(7)
        await expect(pictures.first).to_have_attribute("href", f"#picture={jobs[-1]}")
        hours = page.get_by_role("heading", level=2)
        await expect(hours.first).to_have_text(re.compile(r"\d\d:00 – \d\d:00"))
        assert await hours.count() >= 2
        await all_shown(tab)
        assert not await tab.scrolls_sideways()
        assert await tab.violations() == []
        await tab.photograph("gallery_phone_dark")

        # A picture that comes meanwhile is there without a touch, before the others.
        jobs += await painted(service, ["pavilion"], look="watercolor")
        await page.clock.fast_forward(5_000)
        await expect(pictures).to_have_count(8)
        await expect(pictures.first).to_have_attribute("href", f"#picture={jobs[-1]}")

        # Big: by touch, by swiping, by keys; the way back of the browser leads to all of them.
        await pictures.first.tap()
        viewer = page.get_by_role("dialog")
        await expect(viewer.get_by_role("heading", name="Picture 1 of 8")).to_be_visible()
        await page.keyboard.press("ArrowRight")
        await expect(viewer.get_by_role("heading", name="Picture 2 of 8")).to_be_visible()
        await viewer.get_by_role("button", name="Older picture").click()
        await expect(viewer.get_by_role("heading", name="Picture 3 of 8")).to_be_visible()
        await page.evaluate(
            """() => {
              const stage = document.querySelector(".viewer");
              const touch = (x) => [new Touch({ identifier: 1, target: stage, clientX: x, clientY: 300 })];
              stage.dispatchEvent(new TouchEvent("touchstart", { touches: touch(80), bubbles: true }));
              stage.dispatchEvent(new TouchEvent("touchend", { changedTouches: touch(300), bubbles: true }));
            }"""
        )
        await expect(viewer.get_by_role("heading", name="Picture 2 of 8")).to_be_visible()
        await viewer.get_by_role("button", name="QR code").click()
        await expect(viewer.get_by_role("img", name="QR code of the link to this picture")).to_be_visible()
        assert not await tab.scrolls_sideways()
        assert await tab.violations() == []
        await tab.photograph("gallery_picture_phone", whole=False)
        await expect(viewer.get_by_role("button", name="Share")).to_have_count(0)  # not on an address without HTTPS
        await viewer.get_by_role("button", name="Copy link").click()
        await tab.said("Link copied")
        assert await page.evaluate("window.copied") == f"{url}/public/results/{jobs[-2]}"
        async with page.expect_download() as download:
            await viewer.get_by_role("link", name="Download").click()
        path = await (await download.value).path()
        assert photos.pixels(await asyncio.to_thread(photos.load, path)).width > 100
        await page.go_back()
        await expect(viewer).to_be_hidden()
        await pictures.nth(3).tap()
        await expect(viewer).to_be_visible()
        await page.keyboard.press("Escape")
        await expect(viewer).to_be_hidden()
        await expect(page).to_have_url(f"{url}{GALLERY}")


async def test_a_closed_gallery_says_so_and_opens_by_itself(
    service: Service, admin: Administrator, chromium: Browser
) -> None:
    url = f"http://{BOOTH_HOST}:{service.port}"
    async with browsing(chromium, url, locale="ru-RU") as tab:
        page = tab.page
        await page.clock.install()
        answer = await page.goto(f"{url}{GALLERY}")
        assert answer is not None
        assert answer.status == 404
        await expect(page.get_by_role("heading", name="Галерея сейчас закрыта", level=1)).to_be_visible()
        assert await tab.violations() == []
        await page.get_by_role("button", name="EN", exact=True).click()
        await expect(page.get_by_role("heading", name="This gallery is not open", level=1)).to_be_visible()
        mark = page.locator(".brand-mark")
        assert "icon.svg" in await mark.evaluate("(one) => getComputedStyle(one).backgroundImage")
        assert (await mark.bounding_box() or {}).get("width") == 52
        await tab.photograph("gallery_closed")
        await page.get_by_role("button", name="RU", exact=True).click()

        await open_gallery(admin, title="Свадьба")
        await page.clock.fast_forward(15_000)
        await expect(page.get_by_role("heading", name="Свадьба", level=1)).to_be_visible()
        await expect(page.get_by_text("Первое фото появится здесь само.")).to_be_visible()
        assert await tab.violations() == []
        await painted(service, ["cat"], look="oil")
        await page.clock.fast_forward(5_000)
        await expect(page.get_by_role("img", name="Фото 1")).to_be_visible()

        await close_gallery(admin)
        await page.clock.fast_forward(5_000)
        await expect(page.get_by_role("heading", name="Галерея сейчас закрыта", level=1)).to_be_visible()
        await expect(page.get_by_role("img")).to_have_count(0)


async def test_a_screen_in_the_hall_shows_one_picture_after_another(
    service: Service, admin: Administrator, chromium: Browser
) -> None:
    jobs: list[str] = []
    for look in LOOKS:
        jobs += await painted(service, ["portrait", "pavilion", "cat", "coffee"], look=look)
    await open_gallery(admin, title="Anna & Ben")
    url = f"http://{BOOTH_HOST}:{service.port}"
    async with browsing(chromium, url) as tab:
        page = tab.page
        await tab.hold_timers()
        await tab.open(GALLERY)
        await expect(page.get_by_role("listitem")).to_have_count(16)
        await all_shown(tab)
        assert await tab.violations() == []
        await tab.photograph("gallery")
        await page.get_by_role("link", name="Slideshow").click()
        now = page.locator(".show-now")
        await expect(now).to_have_attribute("src", f"/public/results/{jobs[-1]}")
        await expect(page.get_by_role("img", name="QR code of the link to this gallery")).to_be_visible()
        assert await tab.violations() == []
        await tab.photograph("gallery_slideshow", whole=False)
        for width, height in ((320, 568), (844, 390), (768, 1024), (1024, 600), (390, 844)):
            await page.set_viewport_size({"width": width, "height": height})
            assert await page.evaluate(_OVER_THE_CODE) == [], (width, height)
        await tab.photograph("gallery_slideshow_phone", whole=False)
        await page.set_viewport_size(LAPTOP)
        await tab.pass_time(6_000, timers=(LOOK_MS, SLIDE_MS))
        await expect(now).to_have_attribute("src", f"/public/results/{jobs[-2]}")
        await tab.pass_time(0, timers=(LOOK_MS, SLIDE_MS))  # the look at the feed has ended

        # What comes in meanwhile is next; a pause holds, keys turn.
        jobs += await painted(service, ["portrait"], look="oil")
        await tab.pass_time(6_000, timers=(LOOK_MS, SLIDE_MS))
        await expect(now).to_have_attribute("src", f"/public/results/{jobs[-4]}")
        await expect(now).to_have_attribute("alt", "Picture 4")  # the third, until the new one is known
        await tab.pass_time(6_000, timers=(LOOK_MS, SLIDE_MS))
        await expect(now).to_have_attribute("src", f"/public/results/{jobs[-1]}")
        await page.keyboard.press("Space")
        await expect(page.get_by_role("button", name="Go on")).to_be_visible()
        await tab.pass_time(60_000)
        await expect(now).to_have_attribute("src", f"/public/results/{jobs[-1]}")
        await page.keyboard.press("ArrowRight")
        await expect(now).to_have_attribute("src", f"/public/results/{jobs[-2]}")
        await page.get_by_role("button", name="Full screen").click()
        await expect(page.locator(":fullscreen")).to_have_count(1)
        await page.get_by_role("button", name="All pictures").click()
        await expect(page.get_by_role("listitem")).to_have_count(17)


async def test_older_pictures_come_at_the_end_of_the_page(
    tab: Browsing, service: Service, admin: Administrator
) -> None:
    for _ in range(60):
        assert (await service.ingest("slot-001")).status_code == 200
    await open_gallery(admin)
    await tab.page.set_viewport_size({"width": 390, "height": 500})
    await tab.open(GALLERY)
    pictures = tab.page.get_by_role("listitem")
    await expect(pictures).to_have_count(50)
    await pictures.last.scroll_into_view_if_needed()
    await expect(pictures).to_have_count(60)
    await expect(tab.page.get_by_role("button", name="Show more")).to_have_count(0)

    # Who looks at one of them comes back to its place.
    await pictures.last.get_by_role("link").click()
    await expect(tab.page.get_by_role("dialog")).to_be_visible()
    place = await tab.page.evaluate("scrollY")
    await tab.page.go_back()
    await expect(tab.page.get_by_role("dialog")).to_be_hidden()
    assert place > 0
    await tab.page.wait_for_function("(place) => scrollY === place", arg=place)

    # A link to one of the oldest opens it at once, and leads on to those that are older.
    oldest, older, *_ = sorted(service.database.jobs.values(), key=lambda job: job.created_at)
    for size in ({"width": 390, "height": 844}, {"width": 1280, "height": 800}):
        await tab.page.set_viewport_size(size)
        await tab.open("/gallery/slot-999")
        await tab.open(f"{GALLERY}#picture={older.id}")
        viewer = tab.page.get_by_role("dialog")
        shown = viewer.get_by_role("img").first
        await expect(shown).to_have_attribute("src", f"/public/results/{older.id}")
        await expect(viewer.get_by_role("heading")).to_have_text(re.compile(r"Picture of .*\d\d:\d\d"))
        await viewer.get_by_role("button", name="Older picture").click()
        await expect(shown).to_have_attribute("src", f"/public/results/{oldest.id}")
        await tab.page.keyboard.press("Escape")
        await expect(viewer).to_be_hidden()
        await expect(pictures.first).to_be_visible()
    await tab.open("/gallery/slot-999")
    await tab.open(f"{GALLERY}#picture=01980000-0000-7000-8000-000000000000")
    await expect(tab.page.get_by_text("This picture is no longer in the gallery.")).to_be_visible()
