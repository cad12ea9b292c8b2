"""Lists of thousands: all of it is reached, little of it is in the document, and nothing moves what the user reads."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest
from playwright.async_api import Browser, Page, Route, expect

from tests.support.administration import Administrator
from tests.support.browsing import PHONE, Browsing, browsing
from tests.support.http_server import Service, serving, until
from tests.support.long_lists import MANY, elements, many_jobs, newest_first, scroll_to_end, seen
from tests.support.relay import Relay

pytestmark = pytest.mark.anyio

MOST_ELEMENTS = 2_500
FURTHER_PAGES = re.compile(r"/api/(jobs|results)\?.*cursor=")
PLACES = ("jobs", "pictures")
ITEMS = "[data-item]"
STEP_PX = 700
"""Less than the height of the window."""

STEPS = 25
"""From each of a few places; thousands of frames take minutes."""

STARTS = ("0", "document.documentElement.scrollHeight / 2", "document.documentElement.scrollHeight")

_WALK = """
async ([step, steps]) => {
  const found = new Set();
  for (;;) {
    await nextFrame();
    for (const item of document.querySelectorAll("[data-item]")) {
      const { top, bottom } = item.getBoundingClientRect();
      if (bottom > 0 && top < innerHeight) found.add(item.dataset.item);
    }
    const before = scrollY;
    scrollBy(0, step);
    if (scrollY === before || (steps -= 1) < 0) return [...found];
  }
}
"""


@pytest.fixture(scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    async with serving(tmp_path_factory.mktemp("long")) as running:
        await many_jobs(running)
        yield running


@pytest.fixture
async def tab(service: Service, chromium: Browser) -> AsyncIterator[Browsing]:
    """A tab of a laptop, signed in."""
    async with browsing(chromium, f"http://127.0.0.1:{service.port}") as opened:
        await opened.open()
        await opened.sign_in()
        yield opened


async def go(page: Page, place: str) -> None:
    """Open a list by its link."""
    await page.get_by_role("link", name=place.capitalize(), exact=True).click()
    await expect(page.locator(ITEMS).first).to_be_visible()


async def show(page: Page, job_id: str, *, share: float) -> None:
    """Scroll up to this item, from a little below where it must be: this share of the list is above it."""
    await page.evaluate(
        "(share) => scrollTo(0, share * document.documentElement.scrollHeight + 5 * innerHeight)", share
    )
    await page.wait_for_function(
        """(id) => {
          const item = document.querySelector(`[data-item="${id}"]`);
          item ? item.scrollIntoView({ block: "center" }) : scrollBy(0, -innerHeight);
          return item !== null;
        }""",
        arg=job_id,
    )


async def walked(tab: Browsing, start: str, step: int) -> set[str]:
    """The ids of all items that pass through the window in these steps from a place."""
    await tab.page.evaluate(f"() => scrollTo(0, {start})")
    await tab.drawn()
    return set(await tab.page.evaluate(_WALK, [step, STEPS]))


@pytest.mark.parametrize("place", PLACES)
async def test_all_of_a_long_list_is_reached_and_little_of_it_is_in_the_document(
    tab: Browsing, service: Service, place: str
) -> None:
    page = tab.page
    await go(page, place)
    await scroll_to_end(page)
    expected = newest_first(service)
    assert len(expected) >= MANY
    await expect(page.get_by_text(f"{len(expected)} {place}", exact=True).first).to_be_visible()
    assert await elements(page) < MOST_ELEMENTS
    number = {job_id: n for n, job_id in enumerate(expected)}
    reached: list[set[int]] = []
    for start in STARTS:
        for step in (STEP_PX, -STEP_PX):
            reached.append({number[job_id] for job_id in await walked(tab, start, step)})
            assert await elements(page) < MOST_ELEMENTS
    # None is left out on the way, and the ways lead to both ends.
    assert all(numbers == set(range(min(numbers), max(numbers) + 1)) for numbers in reached)
    down, up = reached[::2], reached[1::2]
    assert all(len(numbers) > 2 * STEPS for numbers in (*down[:2], *up[1:]))
    assert min(down[0]) == 0
    assert max(up[-1]) == len(expected) - 1
    assert await tab.violations() == []


@pytest.mark.parametrize("place", PLACES)
async def test_what_comes_meanwhile_does_not_move_what_is_read(tab: Browsing, service: Service, place: str) -> None:
    page = tab.page
    await go(page, place)
    await scroll_to_end(page)
    await page.evaluate("() => scrollTo(0, document.documentElement.scrollHeight / 2)")
    await expect(page.locator(ITEMS).first).to_be_visible()
    middle = len(newest_first(service)) // 2
    before: dict[str, int] = {}

    async def at_rest() -> bool:
        nonlocal before
        last, before = before, await seen(page)
        return len(before) > 2 and before == last

    await until(at_rest)
    shown = newest_first(service)
    assert abs(shown.index(next(iter(before))) - middle) < 200
    come = [(await service.ingest("slot-001")).headers["x-job-id"] for _ in range(3)]
    fresh = page.get_by_role("button", name=f"3 new {place}")
    await expect(fresh).to_be_visible()
    now = await seen(page)
    assert now.keys() == before.keys()
    assert all(abs(now[one] - before[one]) <= 1 for one in before)
    assert await tab.violations() == []

    # The list goes on where it was, and what was held back comes on demand, once.
    await page.evaluate("() => scrollBy(0, 3000)")
    await fresh.click()
    await expect(fresh).to_be_hidden()
    newest = page.locator(f'[data-item="{come[-1]}"]')
    await expect(newest).to_be_in_viewport()
    await expect(newest).to_have_count(1)
    listed = list(await seen(page))
    assert listed == newest_first(service)[: len(listed)]
    assert set(come) <= set(listed)


@pytest.mark.parametrize("place", PLACES)
async def test_a_page_that_cannot_be_read_is_named_where_it_is_missing(
    tab: Browsing, service: Service, place: str
) -> None:
    page = tab.page
    asked: list[str] = []

    async def refuse(route: Route) -> None:
        asked.append(route.request.url)
        await route.abort()

    # Without the timer that asks whether the service answers again, and has the list read again as it does.
    await expect(page.get_by_role("heading", name="Slots", level=1)).to_be_visible()
    await tab.hold_timers()
    await page.reload()
    await page.route(FURTHER_PAGES, refuse)
    await go(page, place)
    await page.evaluate("() => scrollTo(0, document.documentElement.scrollHeight)")
    notice = page.locator(".list-end").get_by_role("alert")
    await expect(notice).to_contain_text("The service does not respond.")
    assert await page.locator(ITEMS).count() > 0
    assert await tab.violations() == []
    refused = len(asked)
    await page.evaluate("() => { scrollBy(0, -400); scrollBy(0, 400); }")
    await notice.get_by_role("button", name="Try again").click()
    await expect(notice).to_be_visible()
    assert len(asked) <= refused + 1

    await page.unroute(FURTHER_PAGES)
    await notice.get_by_role("button", name="Try again").click()
    await expect(notice).to_be_hidden()
    await scroll_to_end(page)
    await expect(page.get_by_text(f"{len(newest_first(service))} {place}", exact=True).first).to_be_visible()


async def test_what_was_missed_in_an_outage_is_there_after_it(
    service: Service, chromium: Browser, admin: Administrator
) -> None:
    with Relay().running() as relay:
        relay.target = f"http://127.0.0.1:{service.port}"
        async with browsing(chromium, relay.url) as tab:
            page = tab.page
            await tab.open("/#/pictures")
            await tab.sign_in()
            await expect(page.get_by_text("Live", exact=True)).to_be_visible()
            await expect(page.locator(ITEMS).first).to_be_visible()
            await scroll_to_end(page)
            changed, erased = newest_first(service)[3_000:3_002]
            await show(page, changed, share=3_000 / MANY)
            await expect(page.locator(f'[data-item="{erased}"]')).to_be_in_viewport()

            relay.refuse()
            await expect(page.get_by_text(re.compile("No connection to the service since"))).to_be_visible()
            await expect(page.locator(f'[data-item="{changed}"]')).to_be_in_viewport()
            hidden = await admin("PUT", f"/api/results/{changed}/visibility", json_body={"visibility": "hidden"})
            assert hidden.status_code == 200
            assert (await admin("DELETE", f"/api/jobs/{erased}")).status_code == 204
            for _ in range(2):
                assert (await service.ingest("slot-001")).status_code == 200
            relay.restore()
            await expect(page.locator(f'.tile-hidden[data-item="{changed}"]')).to_be_in_viewport()
            await expect(page.locator(f'[data-item="{erased}"]')).to_have_count(0)
            await expect(page.get_by_role("button", name="2 new pictures")).to_be_visible()


async def test_what_is_scrolled_to_while_the_list_is_read_again_stays(tab: Browsing, service: Service) -> None:
    page = tab.page
    asked, goes_on = asyncio.Event(), asyncio.Event()

    async def hold(route: Route) -> None:
        asked.set()
        await goes_on.wait()
        await route.continue_()

    await go(page, "jobs")
    await expect(page.get_by_text("Live", exact=True)).to_be_visible()
    await page.route(re.compile(r"/api/jobs\?limit=\d+$"), hold)
    await page.evaluate("() => { dispatchEvent(new Event('offline')); dispatchEvent(new Event('online')); }")
    await asked.wait()
    for count in (230, 430):
        await page.evaluate("() => scrollTo(0, document.documentElement.scrollHeight)")
        await expect(page.locator(".page-head")).to_contain_text(f"{count} jobs shown")
    read = newest_first(service)[200]
    await show(page, read, share=200 / 430)
    await expect(page.locator(f'[data-item="{read}"]')).to_be_in_viewport()
    assert (await service.ingest("slot-001")).status_code == 200
    goes_on.set()
    await expect(page.get_by_role("button", name="1 new job")).to_be_visible()
    await expect(page.locator(f'[data-item="{read}"]')).to_be_in_viewport()


async def test_the_keyboard_goes_on_where_it_was(tab: Browsing, service: Service) -> None:
    page = tab.page
    await go(page, "jobs")
    await scroll_to_end(page)
    await page.evaluate("() => scrollTo(0, 0)")
    first, second = newest_first(service)[10:12]
    link = page.locator(f'[data-item="{first}"] a')
    await link.focus()
    await page.evaluate("() => scrollTo(0, document.documentElement.scrollHeight / 2)")
    await expect(page.locator(f'[data-item="{newest_first(service)[0]}"]')).to_have_count(0)
    await expect(link).to_be_focused()
    assert await elements(page) < MOST_ELEMENTS
    await page.keyboard.press("Tab")
    await expect(page.locator(f'[data-item="{second}"] a')).to_be_focused()
    await expect(page.locator(f'[data-item="{second}"] a')).to_be_in_viewport()
    # From row to row through more than was in the document.
    for _ in range(80):
        await page.keyboard.press("Tab")
        await tab.drawn()  # what comes near is put into the document as the page scrolls
    await expect(page.locator(f'[data-item="{newest_first(service)[91]}"] a')).to_be_focused()


async def test_the_way_back_from_a_job_leads_to_where_it_was_opened(tab: Browsing, service: Service) -> None:
    page = tab.page
    await go(page, "jobs")
    await scroll_to_end(page)
    chosen = newest_first(service)[3_000]
    await show(page, chosen, share=3_000 / MANY)
    row = page.locator(f'[data-item="{chosen}"]')
    await expect(row).to_be_in_viewport()
    await row.get_by_role("link").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("Job of")
    await page.go_back()
    await expect(row).to_be_in_viewport()
    await expect(page.get_by_text(f"{len(newest_first(service))} jobs", exact=True)).to_be_visible()
    # The link in the menu leads to the newest.
    await page.get_by_role("link", name="Statistics", exact=True).click()
    await go(page, "jobs")
    await expect(page.locator(f'[data-item="{newest_first(service)[0]}"]')).to_be_in_viewport()


async def test_a_selection_outlasts_what_comes_live(tab: Browsing, service: Service) -> None:
    page = tab.page
    await go(page, "pictures")
    await page.evaluate("() => scrollTo(0, document.documentElement.scrollHeight)")
    await expect(page.locator(".page-head")).to_contain_text("260 pictures shown")
    await page.get_by_role("checkbox").last.check()
    await expect(page.get_by_text("1 selected")).to_be_visible()
    await page.evaluate("() => scrollTo(0, 0)")
    last = (await service.ingest("slot-001")).headers["x-job-id"]
    await expect(page.locator(f'[data-item="{last}"]')).to_be_visible()
    await expect(page.get_by_text("1 selected")).to_be_visible()


async def test_pictures_of_a_time_of_day_are_one_step_away(service: Service, chromium: Browser) -> None:
    async with browsing(chromium, f"http://127.0.0.1:{service.port}", size=PHONE, timezone_id="UTC") as tab:
        page = tab.page
        await tab.open("/#/pictures")
        await tab.sign_in()
        await expect(page.locator(ITEMS).first).to_be_visible()
        finished = {str(job.id): job.finalized_at for job in service.database.jobs.values() if job.finalized_at}
        wanted = finished[newest_first(service)[4_000]]
        assert wanted is not None
        await page.get_by_label("Go to time").fill(f"{wanted:%H:%M}")
        end = wanted.replace(second=0, microsecond=0) + timedelta(minutes=10 - wanted.minute % 10)
        expected = [one for one in newest_first(service) if _before(finished[one], end)]

        async def are_listed() -> bool:
            return list(await seen(page))[:2] == expected[:2]

        await until(are_listed)
        assert await tab.violations() == []
        assert not await tab.scrolls_sideways()
        await page.get_by_role("button", name="All", exact=True).click()
        await expect(page.locator(f'[data-item="{newest_first(service)[0]}"]')).to_be_visible()
        await expect(page.get_by_label("Go to time")).to_have_value("")


def _before(at: datetime | None, end: datetime) -> bool:
    return at is not None and at < end
