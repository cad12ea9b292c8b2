"""What the page says while the service cannot be reached, and what it does when it can be reached again."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator

import pytest
from photochanger.core.domain.accounts import Permission
from playwright.async_api import Browser, Request, Route, expect

from tests.support.administration import Administrator, token_of
from tests.support.browsing import PHONE, Browsing, browsing
from tests.support.evening import named_slots, pictured
from tests.support.http_server import Service
from tests.support.relay import Relay

pytestmark = pytest.mark.anyio

BAR = re.compile(r"No connection to the service since \d\d:\d\d:\d\d")


@pytest.fixture
def relay(service: Service) -> Iterator[Relay]:
    """The network between the browser and the service."""
    with Relay().running() as opened:
        opened.target = f"http://127.0.0.1:{service.port}"
        yield opened


@pytest.fixture
async def tab(relay: Relay, chromium: Browser) -> AsyncIterator[Browsing]:
    """A tab behind the relay whose long timers are held."""
    async with browsing(chromium, relay.url) as opened:
        await opened.hold_timers()
        await opened.open("/#/slots")
        yield opened


async def signed_in(tab: Browsing) -> None:
    """Signed in, with every part of the page loaded."""
    await tab.sign_in()
    await expect(tab.page.get_by_text("Live", exact=True)).to_be_visible()
    await tab.page.wait_for_function("() => performance.getEntriesByName('all parts loaded').length > 0")


def asked_for_health(request: Request) -> bool:
    """Whether this request asks only whether the service answers."""
    return request.url.endswith("/healthz")


async def back_when_asked(tab: Browsing, relay: Relay) -> None:
    """Let the network be back once the page asks whether the service answers, and not before: the browser itself
    connects again to the events every few seconds."""

    async def restore(route: Route) -> None:
        relay.restore()
        await route.continue_()

    await tab.page.route("**/healthz", restore)


async def test_an_outage_is_named_and_everything_is_read_again_after_it(
    tab: Browsing, relay: Relay, service: Service, admin: Administrator
) -> None:
    page = tab.page
    await named_slots(admin)
    await signed_in(tab)
    bar = page.get_by_text(BAR)
    await expect(bar).to_be_hidden()

    relay.refuse()
    await expect(page.get_by_text("Connecting…")).to_be_visible()
    await expect(page.get_by_text("Live", exact=True)).to_be_hidden()
    await tab.pass_time(3000)
    await page.get_by_role("link", name="Jobs", exact=True).click()
    await expect(page.get_by_text("The service does not respond.")).to_be_visible()
    await tab.pass_time(5000)
    await expect(bar).to_be_visible()
    await expect(page.get_by_text("Not connected")).to_be_visible()
    assert await tab.violations() == []
    await tab.photograph("outage", whole=False)

    # Parts that were not shown yet open, and say what is wrong with them.
    await page.get_by_role("link", name="Settings", exact=True).click()
    await expect(page.get_by_role("heading", name="Settings", level=1)).to_be_visible()
    await expect(page.get_by_text("PhotoChanger was updated")).to_be_hidden()
    await page.set_viewport_size(PHONE)
    assert not await tab.scrolls_sideways()
    await tab.photograph("outage_phone", whole=False)
    await page.get_by_role("link", name="Jobs", exact=True).click()
    await expect(page.get_by_text("The service does not respond.")).to_be_visible()

    await pictured(service, "slot-005", "portrait")
    await back_when_asked(tab, relay)
    await page.locator(".outage").get_by_role("button", name="Try again").click()
    await expect(bar).to_be_hidden()
    await expect(page.get_by_text("Live", exact=True)).to_be_visible()
    # Nobody clicked for the list.
    await expect(page.get_by_text("The service does not respond.")).to_be_hidden()
    await expect(page.locator(".job-card-slot").get_by_text("Pencil portraits")).to_be_visible()


async def test_a_part_that_cannot_be_loaded_says_why(tab: Browsing, relay: Relay) -> None:
    page = tab.page
    await page.add_init_script("window.requestIdleCallback = () => 0")
    await page.reload()
    await tab.sign_in()
    await expect(page.get_by_role("heading", name="Slots", level=1)).to_be_visible()
    relay.refuse()
    await page.get_by_role("link", name="Statistics", exact=True).click()
    await expect(page.get_by_text("The service does not respond.")).to_be_visible()
    await expect(page.get_by_text("PhotoChanger was updated")).to_be_hidden()
    await back_when_asked(tab, relay)
    await tab.pass_time(3000, timers=(3000,))
    await expect(page.get_by_role("heading", name="Statistics", level=1)).to_be_visible()


async def test_who_gets_no_events_sees_outages_too(chromium: Browser, relay: Relay, service: Service) -> None:
    token = await token_of(service, Permission.SLOTS_READ)
    headers = {"Authorization": f"Bearer {token}"}
    async with browsing(chromium, relay.url, extra_http_headers=headers) as tab:
        await tab.hold_timers()
        await tab.open("/#/slots")
        await expect(tab.page.get_by_role("heading", name="Slots", level=1)).to_be_visible()
        await expect(tab.page.get_by_text("Live", exact=True)).to_be_visible()
        relay.refuse()
        await tab.page.evaluate("() => dispatchEvent(new Event('offline'))")
        await expect(tab.page.get_by_text("Connecting…")).to_be_visible()
        # The bar is shown because of the event; the service is asked at the same time, and has to be refused.
        async with tab.page.expect_event("requestfailed", asked_for_health):
            await tab.pass_time(5000)
        await expect(tab.page.get_by_text(BAR)).to_be_visible()
        relay.restore()
        await tab.pass_time(3000, timers=(3000,))
        await expect(tab.page.get_by_text(BAR)).to_be_hidden()
        await expect(tab.page.get_by_text("Live", exact=True)).to_be_visible()


async def test_a_service_that_never_answers_is_asked_again(tab: Browsing, relay: Relay) -> None:
    await signed_in(tab)
    relay.accept_only()
    await tab.pass_time(3000, timers=(3000,))
    async with tab.page.expect_event("requestfailed", asked_for_health):
        await tab.pass_time(10_000, timers=(10_000,))
    relay.restore()
    await tab.pass_time(3000, timers=(3000,))
    await expect(tab.page.get_by_text("Live", exact=True)).to_be_visible()
