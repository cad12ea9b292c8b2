"""What is around every page: sign-in, session, language, colours, keyboard, size."""

from __future__ import annotations

import re
from pathlib import Path

import photochanger
import pytest
from playwright.async_api import Browser, expect

from tests.support.browsing import PHONE, Browsing, browsing
from tests.support.http_server import ADMIN_PASSWORD, Service

pytestmark = pytest.mark.anyio

WORDS = sorted(Path(photochanger.__file__).parent.glob("entrypoints/http/page/static/i18n/*.js"))


async def test_signing_in_and_out(tab: Browsing) -> None:
    page = tab.page
    await tab.photograph("sign_in")
    await tab.sign_in(password="wrong horse battery staple")
    await expect(page.get_by_role("alert")).to_be_visible()
    assert await tab.violations() == []
    await tab.sign_in()
    await expect(page.get_by_role("heading", name="Slots", level=1)).to_be_visible()
    await expect(page.get_by_text("Live", exact=True)).to_be_visible()
    assert await page.evaluate("() => document.cookie") == ""
    assert await page.evaluate("() => JSON.stringify([{...localStorage}, {...sessionStorage}])") == "[{},{}]"
    await page.reload()
    await expect(page.get_by_role("heading", name="Slots", level=1)).to_be_visible()
    await page.get_by_text("admin", exact=True).click()
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_label("Password")).to_be_visible()
    await page.reload()
    await expect(page.get_by_label("Password")).to_be_visible()


async def test_a_session_that_ends_asks_in_place_and_goes_on(tab: Browsing) -> None:
    page = tab.page
    await tab.sign_in()
    await expect(page.get_by_role("heading", name="Slots", level=1)).to_be_visible()
    await page.context.clear_cookies()
    await page.goto(f"{tab.base_url}/#/settings")
    dialog = page.get_by_role("dialog", name="Sign in")
    await expect(dialog).to_be_visible()
    assert await tab.violations() == []
    await dialog.get_by_label("Password").fill(ADMIN_PASSWORD)
    await dialog.get_by_role("button", name="Sign in").click()
    await expect(dialog).to_be_hidden()
    await expect(page.get_by_role("heading", name="Settings", level=1)).to_be_visible()


async def test_language_and_colours_are_chosen_and_remembered(tab: Browsing) -> None:
    page = tab.page
    await tab.sign_in()
    await page.get_by_text("admin", exact=True).click()
    await page.get_by_label("Language").select_option("ru")
    await expect(page.get_by_role("heading", name="Слоты", level=1)).to_be_visible()
    await page.get_by_label("Оформление").select_option("dark")
    await page.reload()
    await expect(page.get_by_role("heading", name="Слоты", level=1)).to_be_visible()
    assert await page.evaluate("() => document.documentElement.lang") == "ru"
    assert await page.evaluate("() => getComputedStyle(document.body).colorScheme") == "dark"


async def test_a_russian_browser_is_spoken_to_in_russian_on_a_phone(service: Service, chromium: Browser) -> None:
    url = f"http://127.0.0.1:{service.port}"
    async with browsing(chromium, url, size=PHONE, locale="ru-RU", color_scheme="dark") as tab:
        await tab.open()
        await tab.photograph("sign_in_phone_dark")
        await tab.sign_in()
        await expect(tab.page.get_by_role("heading", name="Слоты", level=1)).to_be_visible()
        assert not await tab.scrolls_sideways()
        assert await tab.violations() == []


async def test_the_keyboard_gets_everywhere(tab: Browsing) -> None:
    page = tab.page
    await expect(page.get_by_label("User name")).to_be_focused()
    await page.keyboard.type("admin")
    await page.keyboard.press("Tab")
    await page.keyboard.type(ADMIN_PASSWORD)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Slots", level=1)).to_be_visible()
    await page.evaluate("() => document.activeElement.blur()")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("main")).to_be_focused()


async def test_the_first_view_is_small(tab: Browsing) -> None:
    await tab.sign_in()
    await expect(tab.page.get_by_role("heading", name="Slots", level=1)).to_be_visible()
    sizes: dict[str, int] = await tab.page.evaluate(
        "() => Object.fromEntries([...performance.getEntriesByType('navigation'),"
        " ...performance.getEntriesByType('resource')].map((one) => [one.name, one.encodedBodySize]))"
    )
    files = {name: size for name, size in sizes.items() if "/ui/" in name or name.endswith("/")}
    assert len(files) > 10
    assert sum(files.values()) < 150_000, files


async def test_an_unknown_place_says_so(tab: Browsing) -> None:
    await tab.open("/#/nowhere")
    await tab.sign_in()
    await expect(tab.page.get_by_text("Page not found.")).to_be_visible()


async def test_both_languages_have_the_same_words(tab: Browsing) -> None:
    (main,) = [
        address for address in re.findall(r'src="([^"]+)"', await tab.page.content()) if address.endswith("/main.js")
    ]
    assert len(WORDS) > 1
    for path in WORDS:
        address = main.replace("main.js", f"i18n/{path.name}")
        words = await tab.page.evaluate(f"() => import('{address}').then((module) => module.default)")
        assert words["en"].keys() == words["ru"].keys(), path.name
        for key, text in words["en"].items():
            if isinstance(text, str):
                values = {*re.findall(r"{\w+}", text)}
                assert {*re.findall(r"{\w+}", words["ru"][key])} == values, f"{path.name}: {key}"
