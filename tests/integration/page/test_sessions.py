"""The session behind the page: signed out here and everywhere, kept while the page is visible."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, Page, expect

from tests.support.accessibility import faults
from tests.support.administration import Administrator
from tests.support.browsing import Browsing, browsing
from tests.support.http_server import Service

pytestmark = pytest.mark.anyio

HIDDEN = "() => Object.defineProperty(document, 'hidden', {value: true, configurable: true})"
LOOKED_AT = "() => document.dispatchEvent(new Event('visibilitychange'))"


async def shown(page: Page, title: str = "Slots") -> None:
    await expect(page.get_by_role("heading", name=title, level=1)).to_be_visible()


async def test_signing_out_drops_what_is_stored_but_language_and_colours(tab: Browsing) -> None:
    page = tab.page
    await tab.sign_in()
    await shown(page)
    await page.get_by_text("admin", exact=True).click()
    await page.get_by_label("Language").select_option("ru")
    await page.get_by_label("Оформление").select_option("dark")
    await page.evaluate("() => localStorage.setItem('of this session', 'x')")
    await page.get_by_role("button", name="Выйти").click()
    await expect(page.get_by_label("Пароль")).to_be_visible()
    assert await page.evaluate("() => ({...localStorage})") == {
        "photochanger.language": "ru",
        "photochanger.theme": "dark",
    }


async def test_signing_out_on_all_devices_ends_the_other_ones(
    tab: Browsing, service: Service, chromium: Browser, admin: Administrator
) -> None:
    await tab.sign_in()
    await shown(tab.page)
    async with browsing(chromium, f"http://127.0.0.1:{service.port}") as other:
        await other.open()
        await other.sign_in()
        await shown(other.page)
        await tab.open("/#/settings?tab=account")
        await tab.page.get_by_role("button", name="Sign out on all devices").click()
        await expect(tab.page.get_by_label("Password")).to_be_visible()
        # Its event stream ends, and it asks for the password in its place.
        await expect(other.page.get_by_role("dialog", name="Sign in")).to_be_visible()
        assert await faults(other) == []


async def test_a_page_that_comes_to_the_front_uses_its_session(tab: Browsing) -> None:
    await tab.sign_in()
    await shown(tab.page)
    async with tab.page.expect_request("**/api/me") as asked:
        await tab.page.evaluate(LOOKED_AT)
    assert "x-photochanger-background" not in (await asked.value).headers


async def test_a_page_in_the_background_does_not(tab: Browsing) -> None:
    page = tab.page
    await tab.sign_in()
    await shown(page)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await page.evaluate(HIDDEN)
    await page.evaluate(LOOKED_AT)
    async with page.expect_request("**/api/jobs?*") as loaded:
        await page.evaluate("() => void (location.hash = '#/jobs')")
    assert (await loaded.value).headers["x-photochanger-background"] == "1"
    assert not [url for url in asked if url.endswith("/api/me")]
