"""The sign-in view: its language, the password in plain sight, and the installation as an app."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect

from tests.support.browsing import Browsing
from tests.support.http_server import ADMIN_PASSWORD

pytestmark = pytest.mark.anyio


async def test_the_language_is_chosen_and_the_password_shown_before_signing_in(tab: Browsing) -> None:
    page = tab.page
    await page.get_by_label("User name").fill("admin")
    password = page.get_by_label("Password")
    await password.fill(ADMIN_PASSWORD)
    await expect(password).to_have_attribute("type", "password")
    await page.get_by_role("button", name="Show the password").click()
    await expect(password).to_have_attribute("type", "text")
    assert await tab.violations() == []
    english, russian = (page.get_by_role("button", name=name) for name in ("English", "Русский"))
    await expect(english).to_have_attribute("aria-pressed", "true")
    await russian.click()
    await expect(russian).to_have_attribute("aria-pressed", "true")
    await expect(page.locator("html")).to_have_attribute("lang", "ru")
    await expect(page.get_by_label("Имя пользователя")).to_have_value("admin")
    await expect(page.get_by_label("Пароль")).to_have_value(ADMIN_PASSWORD)
    await page.get_by_role("button", name="Скрыть пароль").click()
    await expect(page.get_by_label("Пароль")).to_have_attribute("type", "password")
    await tab.photograph("sign_in")
    await page.get_by_role("button", name="Войти").click()
    await expect(page.get_by_role("heading", name="Слоты", level=1)).to_be_visible()
    await page.reload()
    await expect(page.get_by_role("heading", name="Слоты", level=1)).to_be_visible()


async def test_the_page_can_be_installed_as_an_app(tab: Browsing) -> None:
    page = tab.page
    debugger = await page.context.new_cdp_session(page)
    manifest = await debugger.send("Page.getAppManifest")
    assert manifest["errors"] == []
    assert manifest["url"].endswith("/manifest.webmanifest")
    errors = (await debugger.send("Page.getInstallabilityErrors"))["installabilityErrors"]
    assert {error["errorId"] for error in errors} <= {"in-incognito"}  # the windows of tests are private ones

    bar = page.locator("meta[name=theme-color]")
    await expect(bar).to_have_count(2)
    await tab.sign_in()
    await page.get_by_text("admin", exact=True).click()
    await page.get_by_label("Colours").select_option("dark")
    surface = "() => getComputedStyle(document.querySelector('header.bar')).backgroundColor"
    assert await page.evaluate(surface) == "rgb(25, 28, 39)"
    for number in range(2):
        await expect(bar.nth(number)).to_have_attribute("content", re.compile("#191c27"))
