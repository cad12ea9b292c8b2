"""What is around every page: sign-in, session, language, colours, keyboard, size."""

from __future__ import annotations

import re
from pathlib import Path

import photochanger
import pytest
from playwright.async_api import Browser, expect

from tests.support.administration import Administrator
from tests.support.browsing import PHONE, Browsing, browsing
from tests.support.evening import pictured
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


async def test_an_unknown_address_is_a_page_for_browsers_and_a_problem_for_others(
    tab: Browsing, service: Service
) -> None:
    await tab.open("/nonsense")
    await expect(tab.page.get_by_role("heading", name="Page not found")).to_be_visible()
    await expect(tab.page.get_by_role("heading", name="Страница не найдена")).to_be_visible()
    assert await tab.violations() == []
    await tab.photograph("not_found")
    await tab.page.get_by_role("link", name="PhotoChanger").click()
    await expect(tab.page.get_by_label("User name")).to_be_visible()
    answer = await service.client.get("/nonsense", headers={"Accept": "*/*"})
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    answer = await service.client.get("/nonsense", headers={"Accept": "text/html,*/*;q=0.8"})
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")


@pytest.mark.parametrize("locale", ["en-GB", "ru-RU"])
async def test_the_header_fits_every_width(service: Service, chromium: Browser, locale: str) -> None:
    async with browsing(chromium, f"http://127.0.0.1:{service.port}", locale=locale) as tab:
        await tab.open()
        await tab.sign_in()
        await expect(tab.page.get_by_role("heading", level=1)).to_be_visible()
        await expect(tab.page.locator(".connection-live")).to_be_visible()
        for width in (320, 390, 600, 760, 761, 768, 820, 900, 901, 960, 1016, 1100, 1240, 1241, 1280):
            await tab.page.set_viewport_size({"width": width, "height": 800})
            assert not await tab.scrolls_sideways(), width
            menu = await tab.page.locator(".menu").bounding_box()
            assert menu is not None
            assert menu["x"] + menu["width"] <= width, width


async def test_every_place_has_a_title_of_its_own(tab: Browsing, service: Service, admin: Administrator) -> None:
    job = await pictured(service, "slot-001", "portrait")
    await tab.open()
    await tab.sign_in()
    await expect(tab.page).to_have_title("Slots · PhotoChanger")
    for path, title in (
        ("slots/slot-001", ".+ · Slots"),
        ("pictures", "Pictures"),
        ("jobs", "Jobs"),
        (f"jobs/{job}", "Job of"),
        ("statistics", "Statistics"),
        ("settings?tab=storage", "Storage · Settings"),
        ("settings?tab=audit", "Audit log · Settings"),
        ("slots", "Slots"),
    ):
        await tab.open(f"/#/{path}")
        await expect(tab.page).to_have_title(re.compile(f"^({title}).*PhotoChanger$"))


@pytest.mark.parametrize("size", [{"width": 1280, "height": 800}, {"width": 768, "height": 900}, PHONE])
async def test_a_failure_covers_no_save_and_goes(
    chromium: Browser, service: Service, admin: Administrator, size: dict[str, int]
) -> None:
    async with browsing(chromium, f"http://127.0.0.1:{service.port}", size=size) as tab:
        page = tab.page
        await tab.hold_timers()
        await tab.open("/#/slots/slot-001")
        await tab.sign_in()
        await page.get_by_label("Name", exact=True).fill("Unsaved")
        save = page.get_by_role("button", name="Save", exact=True)
        await expect(save).to_be_visible()
        problem = {"status": 503, "code": "queue_unavailable", "title": "Unavailable"}
        await page.route("**/api/slots/slot-001", lambda route: route.fulfill(status=503, json=problem))
        await page.get_by_role("switch").click()
        await page.get_by_role("dialog").get_by_role("button", name="Switch off").click()
        failure = page.locator(".toast-failed")
        await expect(failure).to_be_visible()
        above, below = await failure.bounding_box(), await save.bounding_box()
        assert above is not None
        assert below is not None
        assert above["y"] + above["height"] <= below["y"]
        await page.mouse.move(0, size["height"] - 1)
        await tab.pass_time(15_000, timers=(15_000,))
        await expect(failure).to_be_hidden()


async def test_an_unknown_place_says_so(tab: Browsing) -> None:
    await tab.open("/#/nowhere")
    await tab.sign_in()
    await expect(tab.page.get_by_text("Page not found.")).to_be_visible()


async def test_both_languages_have_the_same_words(tab: Browsing) -> None:
    read = (
        "async (paths) => {"
        " const { $load, $modules } = await import(document.querySelector('script[type=module]').src);"
        " await Promise.all(paths.map($load));"
        " return paths.filter((path) => path in $modules).map((path) => [path, $modules[path].default]); }"
    )
    found: dict[str, dict[str, dict[str, object]]] = {}
    for document in ("/", "/gallery/slot-001"):
        await tab.open(document)
        found |= dict(await tab.page.evaluate(read, [f"i18n/{path.name}" for path in WORDS]))
    assert set(found) == {f"i18n/{path.name}" for path in WORDS}
    for path, words in found.items():
        assert words["en"].keys() == words["ru"].keys(), path
        for key, text in words["en"].items():
            if isinstance(text, str):
                values = {*re.findall(r"{\w+}", text)}
                assert {*re.findall(r"{\w+}", str(words["ru"][key]))} == values, f"{path}: {key}"
