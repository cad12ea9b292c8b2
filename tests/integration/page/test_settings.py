"""The page of settings: what applies, passwords and keys, storage, audit log, account."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from photochanger.adapters.providers.local.provider import LocalProvider
from photochanger.core.domain.accounts import Permission
from photochanger.core.domain.deadlines import DEFAULT_SYNC_RESPONSE
from photochanger.core.domain.media import ImageLimits
from photochanger.core.services.providers.registry import ProviderRegistry
from playwright.async_api import Browser, Route, expect

from tests.support.administration import Administrator, token_of
from tests.support.browsing import PHONE, Browsing, browsing
from tests.support.http_server import ScriptedProvider, Service, serving
from tests.support.picture_work import InProcess

pytestmark = pytest.mark.anyio


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    """A service with the settings of an installation."""
    async with serving(tmp_path, sync_response=DEFAULT_SYNC_RESPONSE) as running:
        yield running


async def test_settings_are_changed_and_put_back(tab: Browsing, admin: Administrator) -> None:
    page = tab.page
    await tab.open("/#/settings")
    await tab.sign_in()
    waits = page.get_by_role("textbox", name="Maximum waiting time")
    await expect(waits).to_have_value("48")
    await expect(page.get_by_role("textbox", name="Largest file")).to_have_value("64")
    assert await tab.violations() == []

    # What does not fit is told at its field and nothing is sent.
    await waits.fill("75")
    await page.get_by_role("textbox", name="Photos in progress").fill("12")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("A number between 10 and 60.")).to_be_visible()
    await expect(waits).to_be_focused()
    assert await tab.violations() == []
    assert (await admin.get("/api/settings"))["max_active_jobs"] == 64

    # A look at another tab loses nothing; leaving the page asks.
    await page.get_by_role("link", name="Account", exact=True).click()
    await page.get_by_role("link", name=re.compile("^Service")).click()
    await expect(waits).to_have_value("75")
    await page.get_by_role("link", name="Statistics", exact=True).click()
    asks = page.get_by_role("dialog", name="Unsaved changes")
    await expect(asks).to_be_visible()
    assert await tab.violations() == []
    await asks.get_by_role("button", name="Stay here").click()
    await waits.fill("40")
    await page.get_by_role("textbox", name="Largest file").fill("32")
    await page.get_by_role("button", name="Save").click()
    await tab.said("Settings saved.")
    holds = await admin.get("/api/settings")
    assert (holds["sync_response_seconds"], holds["max_active_jobs"], holds["max_upload_bytes"]) == (40, 12, 32 << 20)
    assert sorted(holds["stored"]) == ["max_active_jobs", "max_upload_bytes", "sync_response_seconds"]
    await expect(page.get_by_text("Set here")).to_have_count(3)
    await tab.photograph("settings")

    # Somebody else is faster: theirs is shown, what was typed stays, and the next attempt goes through.
    await page.get_by_role("textbox", name="Photos in progress").fill("20")
    await admin("PUT", "/api/settings", json_body={"sync_response_seconds": 55})
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("alert")).to_contain_text("Maximum waiting time: now 55")
    await expect(page.get_by_role("textbox", name="Photos in progress")).to_have_value("20")
    assert await tab.violations() == []
    await page.get_by_role("button", name="Reset: Maximum waiting time").click()
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("alert")).to_have_count(0)
    await expect(waits).to_have_value("48")
    holds = await admin.get("/api/settings")
    assert (holds["sync_response_seconds"], holds["max_active_jobs"]) == (48, 20)
    assert sorted(holds["stored"]) == ["max_active_jobs", "max_upload_bytes"]


class Painter(ScriptedProvider):
    """A provider that needs a key."""

    info = msgspec.structs.replace(ScriptedProvider.info, id="painter", title="Painter", needs_key=True, per_minute=60)


async def test_passwords_keys_and_limits_go_in_and_never_come_out(tmp_path: Path, chromium: Browser) -> None:
    limits = ImageLimits(max_pixels=100_000_000)
    adapters = {
        ProviderRegistry: ProviderRegistry([ScriptedProvider(), Painter(), LocalProvider(InProcess())], limits=limits)
    }
    async with (
        serving(tmp_path, adapters=adapters) as service,
        browsing(chromium, f"http://127.0.0.1:{service.port}") as tab,
    ):
        await password_is_changed(tab, service)
        await limits_are_changed(tab)
        await key_is_set_and_forgotten(tab)


async def password_is_changed(tab: Browsing, service: Service) -> None:
    page = tab.page
    await tab.open("/#/settings?tab=secrets")
    await tab.sign_in()
    await page.get_by_role("button", name="Change the password…").click()
    dialog = page.get_by_role("dialog", name="New camera password")
    made = dialog.locator(".secret-once")
    first = await made.inner_text()
    await dialog.get_by_role("button", name="Another one").click()
    await expect(made).not_to_have_text(first)
    await dialog.get_by_label("Enter my own").check()
    await dialog.get_by_label("New password", exact=True).fill("short")
    await dialog.get_by_role("button", name="Change it now").click()
    await expect(dialog.locator(".error")).to_have_text("At least 8 characters.")
    assert await tab.violations() == []
    await dialog.get_by_label("Generate one").check()
    await tab.photograph("settings_new_password", whole=False)
    new = await made.inner_text()
    assert (await service.ingest()).status_code == 200  # nothing has changed so far

    # There is no way out while the request runs, so that nobody misses which password holds.
    sent, goes_on = asyncio.Event(), asyncio.Event()

    async def held(route: Route) -> None:
        sent.set()
        await goes_on.wait()
        await route.continue_()

    await page.route("**/api/settings", held)
    await dialog.get_by_role("button", name="Change it now").click()
    await sent.wait()
    await expect(dialog.get_by_role("button", name="Cancel")).to_be_disabled()
    await expect(dialog.get_by_role("button", name="Close")).to_have_count(0)
    await page.keyboard.press("Escape")
    await page.keyboard.press("Escape")
    await expect(made).to_have_text(new)
    goes_on.set()
    await expect(dialog.get_by_text("The camera password is now:")).to_be_visible()
    await expect(made).to_have_text(new)
    await page.unroute("**/api/settings")

    # Which cameras still send the old one follows from their last requests.
    cameras = dialog.get_by_role("list", name="Cameras since the change")
    await expect(cameras.get_by_role("listitem").filter(has_text="No photo since the change")).to_have_count(4)
    assert (await service.ingest("slot-001")).status_code == 401
    assert (await service.ingest("slot-002", password=new)).status_code == 200
    await expect(cameras.get_by_role("listitem").filter(has_text="Refused: sends a wrong password")).to_have_count(1)
    await expect(cameras.get_by_role("listitem").filter(has_text="Sends the new password")).to_have_count(1)
    assert await tab.violations() == []
    await tab.photograph("settings_password_changed", whole=False)
    await dialog.get_by_role("button", name="I have noted it").click()
    assert new not in await page.content()


async def limits_are_changed(tab: Browsing) -> None:
    page = tab.page
    await page.get_by_role("button", name="Limits…: Scripted").click()
    dialog = page.get_by_role("dialog", name="Limits of Scripted")
    await dialog.get_by_label("Per minute").fill("0")
    await dialog.get_by_role("button", name="Save").click()
    await expect(dialog.get_by_text("A whole number from 1", exact=False)).to_be_visible()
    assert await tab.violations() == []
    await dialog.get_by_label("Per minute").fill("30")
    await dialog.get_by_role("button", name="Save").click()
    await expect(dialog).to_be_hidden()
    scripted = page.get_by_role("listitem").filter(has_text="Scripted")
    await expect(scripted.get_by_role("definition").filter(has_text="30")).to_be_visible()
    await expect(page.get_by_text("Limits are set here")).to_be_visible()
    await page.get_by_role("button", name="Limits…: Scripted").click()
    await dialog.get_by_role("button", name="As the provider declares").click()
    await expect(scripted.get_by_text("As the provider declares")).to_be_visible()


async def key_is_set_and_forgotten(tab: Browsing) -> None:
    page = tab.page
    painter = page.get_by_role("listitem").filter(has_text="Painter")
    await expect(painter.get_by_text("No key")).to_be_visible()
    await painter.get_by_role("button", name="Set the key…").click()
    dialog = page.get_by_role("dialog", name="Key of Painter")
    await dialog.get_by_label("Key", exact=True).fill("ключ")
    await dialog.get_by_role("button", name="Save").click()
    await expect(dialog.locator(".error")).to_contain_text("printable ASCII characters")
    assert await tab.violations() == []
    await dialog.get_by_label("Key", exact=True).fill("sk-secret-4711")
    await dialog.get_by_role("button", name="Save").click()
    await expect(painter.get_by_text("Stored encrypted")).to_be_visible()
    await expect(painter.get_by_text("by admin")).to_be_visible()
    assert "sk-secret-4711" not in await page.content()
    assert await tab.violations() == []
    await tab.photograph("settings_secrets")
    await painter.get_by_role("button", name="Remove the key").click()
    dialog = page.get_by_role("dialog", name="Remove the key?")
    await expect(dialog).to_be_visible()
    assert await tab.violations() == []
    await dialog.get_by_role("button", name="Remove the key").click()
    await expect(painter.get_by_text("No key")).to_be_visible()


async def test_storage_audit_log_and_account_on_a_phone_in_russian(
    service: Service, admin: Administrator, chromium: Browser
) -> None:
    await admin.change_slot(name="Свадьба <i>Анны</i>")
    await admin("PUT", "/api/settings", json_body={"max_active_jobs": 32})
    url = f"http://127.0.0.1:{service.port}"
    async with browsing(chromium, url, size=PHONE, locale="ru-RU", color_scheme="dark") as tab:
        page = tab.page
        await tab.open("/#/settings?tab=storage")
        await tab.sign_in()
        await expect(page.get_by_text("Фото принимаются")).to_be_visible()
        await page.get_by_role("button", name="Всё, чей срок истёк").click()
        dialog = page.get_by_role("dialog", name="Всё, чей срок истёк")
        await expect(dialog.get_by_text("ещё можно скачать", exact=False)).to_be_visible()
        assert await tab.violations() == []
        await dialog.get_by_role("button", name="Удалить сейчас").click()
        await tab.said("Удаление началось.")
        assert [entry["detail"] for entry in await admin.audit("purged")] == [{"scope": "full"}]
        assert not await tab.scrolls_sideways()
        await tab.photograph("settings_storage_phone_dark", whole=False)

        await page.get_by_role("link", name="Журнал событий").click()
        await expect(page.get_by_text("Удалено всё с истёкшим сроком").last).to_be_visible()
        await page.get_by_label("Показать").select_option(label="Изменены настройки")
        row = page.get_by_role("row").filter(has_text="Фото одновременно в работе")
        await expect(row).to_contain_text("не задано → 32")
        await expect(page.get_by_role("row")).to_have_count(2)
        await page.get_by_label("Показать").select_option(label="Изменён слот")
        await expect(page.locator(".audit-target")).to_have_text("Свадьба <i>Анны</i>")
        await expect(page.locator(".audit-details")).to_contain_text("Свадьба <i>Анны</i>")
        assert not await tab.scrolls_sideways()
        assert await tab.violations() == []
        await page.get_by_label("Показать").select_option(label="Все события")
        await expect(page.get_by_role("row").filter(has_text="Вход")).to_be_visible()
        await tab.photograph("settings_audit_phone_dark", whole=False)
        for _ in range(51):
            await admin("PUT", "/api/settings", json_body={"max_active_jobs": 30 + _ % 2})
        await page.get_by_role("button", name="Обновить").click()
        await expect(page.get_by_role("row")).to_have_count(51)
        await page.get_by_role("button", name="Показать ещё").click()
        await expect(page.get_by_role("row").filter(has_text="Удалено всё с истёкшим сроком")).to_be_visible()

        await page.get_by_role("link", name="Учётная запись").click()
        await expect(page.get_by_text("Менять настройки, пароли и ключи")).to_be_visible()
        assert not await tab.scrolls_sideways()
        assert await tab.violations() == []
        await tab.photograph("settings_account_phone_dark", whole=False)
        for name in ("secrets", "service", "health", "ready"):
            await tab.open(f"/#/settings?tab={name}")
            await expect(page.locator("main .card, main .empty").first).to_be_visible()
            assert not await tab.scrolls_sideways(), name
            assert await tab.violations() == []
            await tab.photograph(f"settings_{name}_phone_dark", whole=False)
        await page.get_by_role("link", name="Учётная запись").click()
        await page.get_by_role("main").get_by_role("button", name="Выйти", exact=True).click()
        await expect(page.get_by_label("Пароль")).to_be_visible()


async def test_what_is_not_allowed_is_not_offered(service: Service, chromium: Browser) -> None:
    token = await token_of(service, Permission.SETTINGS_READ)
    sent = {"Authorization": f"Bearer {token}"}
    async with browsing(chromium, f"http://127.0.0.1:{service.port}", extra_http_headers=sent) as tab:
        page = tab.page
        await tab.open("/#/settings")
        await expect(page.get_by_role("textbox", name="Maximum waiting time")).not_to_be_editable()
        await expect(page.get_by_role("button", name="Save")).to_have_count(0)
        await expect(page.get_by_role("link", name="Before the event")).to_have_count(0)
        await page.get_by_role("link", name="Passwords and keys").click()
        await expect(page.get_by_text("Who may see slots", exact=False)).to_be_visible()
        await expect(page.get_by_role("button", name="Change the password…")).to_have_count(0)
        await page.get_by_role("link", name="Storage").click()
        await expect(page.get_by_role("heading", name="Delete now")).to_be_visible()
        await expect(page.get_by_role("button", name="Temporary links only")).to_have_count(0)
