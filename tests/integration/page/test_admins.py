"""Administrators on the page: added, changed, disabled, with passwords shown once; the own password."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, Locator, expect

from tests.support.administration import Administrator, sign_in
from tests.support.browsing import Browsing, browsing
from tests.support.http_server import ADMIN_PASSWORD, Service

pytestmark = pytest.mark.anyio

NEW = "seven booths in the rain"


def row_of(tab: Browsing, username: str) -> Locator:
    return tab.page.get_by_role("row").filter(has=tab.page.get_by_role("rowheader", name=username))


async def shown_password(dialog: Locator) -> str:
    await expect(dialog.get_by_role("button", name="I have noted it")).to_be_visible()
    password = await dialog.locator("code").text_content()
    assert password is not None
    await dialog.get_by_role("button", name="I have noted it").click()
    return password


async def test_an_owner_adds_changes_and_disables_an_administrator(tab: Browsing, service: Service) -> None:
    page = tab.page
    await tab.open("/#/settings?tab=admins")
    await tab.sign_in()
    await expect(row_of(tab, "admin").get_by_text("Owner")).to_be_visible()
    await page.get_by_role("button", name="Add an administrator…").click()
    dialog = page.get_by_role("dialog", name="New administrator")
    await dialog.get_by_role("textbox", name="User name").fill("Grace Hopper")
    await dialog.get_by_role("button", name="Add", exact=True).click()
    await expect(dialog.locator(".error")).to_be_visible()
    assert await tab.violations() == []
    await dialog.get_by_role("textbox", name="User name").fill("grace")
    await dialog.get_by_label("Role").select_option("viewer")
    await dialog.get_by_role("button", name="Add", exact=True).click()
    dialog = page.get_by_role("dialog", name="Password for grace")
    await expect(dialog).to_be_visible()
    assert await tab.violations() == []
    await tab.photograph("admin_password")
    grace = await sign_in(service, "grace", await shown_password(dialog))

    await row_of(tab, "grace").get_by_role("button", name="Change grace").click()
    dialog = page.get_by_role("dialog", name="Change grace")
    await dialog.get_by_label("Role").select_option("operator")
    assert await tab.violations() == []
    await tab.photograph("admin_change")
    await dialog.get_by_role("button", name="Save").click()
    await expect(row_of(tab, "grace").get_by_text("Operator")).to_be_visible()
    assert "slots:write" in (await grace.get("/api/me"))["permissions"]

    await row_of(tab, "grace").get_by_role("button", name="Change grace").click()
    await page.get_by_role("button", name="Make a new password…").click()
    await page.get_by_role("button", name="Make the password").click()
    second = await shown_password(page.get_by_role("dialog", name="Password for grace"))
    assert (await grace("GET", "/api/me")).status_code == 401
    await sign_in(service, "grace", second)

    await row_of(tab, "grace").get_by_role("button", name="Change grace").click()
    await page.get_by_role("checkbox", name="Disabled").check()
    await page.get_by_role("button", name="Save").click()
    await expect(row_of(tab, "grace").get_by_text("Disabled")).to_be_visible()
    assert await tab.violations() == []
    await tab.photograph("admins")


async def test_the_last_owner_learns_why_nothing_changes_and_one_of_two_loses_the_place(
    tab: Browsing, admin: Administrator
) -> None:
    page = tab.page
    await tab.open("/#/settings?tab=admins")
    await tab.sign_in()
    await page.get_by_role("button", name="Change admin").click()
    await page.get_by_label("Role").select_option("viewer")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("This is the last owner. Add another owner first.")).to_be_visible()
    assert await tab.violations() == []
    assert (await admin("POST", "/api/admins", json_body={"username": "joan", "role": "owner"})).status_code == 201
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await expect(page.get_by_role("link", name="Account", exact=True)).to_be_visible()
    await expect(page.get_by_role("link", name="Administrators", exact=True)).to_have_count(0)


async def test_the_own_password_is_changed_and_other_browsers_sign_in_again(
    tab: Browsing, service: Service, chromium: Browser
) -> None:
    page = tab.page
    await tab.open("/#/settings?tab=account")
    await tab.sign_in()
    async with browsing(chromium, f"http://127.0.0.1:{service.port}") as other:
        await other.open()
        await other.sign_in()
        await expect(other.page.get_by_role("heading", name="Slots", level=1)).to_be_visible()
        await page.get_by_role("button", name="Change your password…").click()
        dialog = page.get_by_role("dialog", name="Change your password")
        await dialog.get_by_label("Current password").fill("wrong")
        await dialog.get_by_label("New password", exact=True).fill(NEW)
        await dialog.get_by_label("New password, once more").fill("another")
        await dialog.get_by_role("button", name="Change it now").click()
        await expect(dialog.get_by_text("The two new passwords differ.")).to_be_visible()
        await dialog.get_by_label("New password, once more").fill(NEW)
        await dialog.get_by_role("button", name="Change it now").click()
        await expect(dialog.get_by_text("This is not your current password.")).to_be_visible()
        assert await tab.violations() == []
        await tab.photograph("own_password")
        await dialog.get_by_label("Current password").fill(ADMIN_PASSWORD)
        await dialog.get_by_role("button", name="Change it now").click()
        await tab.said("Your password is changed.")
        await expect(other.page.get_by_role("dialog", name="Sign in")).to_be_visible()
    await page.reload()
    await expect(page.get_by_role("button", name="Change your password…")).to_be_visible()
    await sign_in(service, password=NEW)
