"""The page of slots: what each one does and how it is doing, live."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from photochanger.entrypoints.diagnostics.sample_photos import demo_photos
from playwright.async_api import Browser, expect

from tests.support.administration import Administrator
from tests.support.browsing import BOOTH_HOST, PHONE, Browsing, browsing
from tests.support.evening import refused
from tests.support.http_server import Service

pytestmark = pytest.mark.anyio

LOCAL: dict[str, tuple[str, dict[str, Any]]] = {
    "slot-001": ("enhance", {}),
    "slot-002": ("stylize", {"look": "oil"}),
    "slot-003": ("frame", {"caption": "Anna & Ben"}),
    "slot-004": ("background", {"mode": "bokeh"}),
}


async def an_evening(service: Service, admin: Administrator, folder: Path) -> None:
    """Four slots that work on this machine, with a demo photo through each."""
    for photo, (slot_id, (operation_id, settings)) in zip(demo_photos(folder), LOCAL.items(), strict=True):
        route = [{"provider_id": "local", "operation_id": operation_id, "settings": settings}]
        assert (await admin.change_slot(slot_id, route=route)).status_code == 200
        answer = await service.ingest(slot_id, photo=photo.path.read_bytes())
        assert answer.status_code == 200, answer.text


async def test_slots_at_a_glance(tab: Browsing, service: Service, admin: Administrator, tmp_path: Path) -> None:
    page = tab.page
    await an_evening(service, admin, tmp_path / "demo")
    await admin.change_slot("slot-005", name="<b>Bold</b> & <script>alert(1)</script>")
    await tab.sign_in()
    cards = page.get_by_role("main").get_by_role("listitem").filter(has=page.get_by_role("heading", level=2))
    await expect(cards).to_have_count(15)
    oil = cards.filter(has=page.get_by_role("link", name="Oil painting"))
    await expect(oil.get_by_text("On this machine · Artistic look")).to_be_visible()
    await expect(oil.get_by_text("Active", exact=True)).to_be_visible()
    await expect(oil.get_by_text("1 photo · 100% done")).to_be_visible()
    await expect(oil.get_by_role("img", name="Last picture")).to_be_visible()
    await expect(page.get_by_role("link", name="<b>Bold</b> & <script>alert(1)</script>")).to_be_visible()
    await expect(page.get_by_text("4 of 15 active")).to_be_visible()
    assert await tab.violations() == []
    assert not await tab.scrolls_sideways()
    await tab.photograph("slots")

    shown = await oil.get_by_role("img", name="Last picture").get_attribute("src")
    assert (await service.ingest("slot-002")).status_code == 200
    await expect(oil.get_by_text("2 photos · 100% done")).to_be_visible()
    await expect(oil.get_by_role("img", name="Last picture")).not_to_have_attribute("src", shown or "")

    await admin.change_slot("slot-001", route=[{"provider_id": "scripted", "operation_id": "any", "settings": {}}])
    for _ in range(3):
        await refused(service)
    natural = cards.filter(has=page.get_by_role("link", name="Natural enhance"))
    await expect(natural.get_by_text("got no picture.")).to_be_visible(timeout=60_000)

    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await oil.get_by_role("button", name="Copy address Oil painting").click()
    await expect(page.get_by_text("Copied", exact=True)).to_be_visible()
    copied = await page.evaluate("() => navigator.clipboard.readText()")
    assert copied == f"http://127.0.0.1:{service.port}/ingest/slot-002"

    await page.get_by_label("Active only").check()
    await expect(cards).to_have_count(4)
    await page.get_by_label("Search slots").fill("machine frame")
    await expect(cards).to_have_count(1)
    await page.get_by_label("Search slots").fill("nobody")
    await expect(page.get_by_text("No slot fits.")).to_be_visible()
    await page.get_by_label("Search slots").fill("")
    await page.reload()
    await expect(cards).to_have_count(4)
    await page.get_by_role("link", name="Party frame").click()
    await expect(page.get_by_role("heading", name="Party frame", level=1)).to_be_visible()


async def test_every_view_of_a_slot_on_a_phone_in_russian(
    service: Service, admin: Administrator, chromium: Browser, tmp_path: Path
) -> None:
    await an_evening(service, admin, tmp_path / "demo")
    await service.ingest("slot-003", profile="wedding", password="not the one")
    url = f"http://{BOOTH_HOST}:{service.port}"
    async with browsing(chromium, url, size=PHONE, locale="ru-RU", color_scheme="dark") as tab:
        page = tab.page
        await tab.open()
        await tab.sign_in()
        await expect(page.get_by_text("Включено: 4 из 15")).to_be_visible()
        assert not await tab.scrolls_sideways()
        assert await tab.violations() == []
        await tab.photograph("slots_phone_dark", whole=False)
        await page.get_by_role("link", name="Party frame").click()
        await expect(page.get_by_label("Подпись")).to_have_value("Anna & Ben")
        await tab.photograph("slot_configuration_phone_dark", whole=False)
        await page.get_by_label("Подпись").fill("{guest}")
        await page.get_by_label("Ширина каймы", exact=True).fill("99")
        await page.get_by_role("button", name="Сохранить").click()
        await expect(page.get_by_text("Нужно число не больше 15")).to_be_visible()
        assert not await tab.scrolls_sideways()
        assert await tab.violations() == []
        await tab.photograph("slot_errors_phone_dark", whole=False)
        for name, told in {
            "Проба": "Выбрать фото",
            "Готовые фото": "Посмотреть",
            "Подключение": "Пароль неверный. Введите пароль камер",
        }.items():
            await page.get_by_role("tab", name=name).click()
            await expect(page.get_by_role("tabpanel", name=name).get_by_text(told)).to_be_visible()
            assert not await tab.scrolls_sideways()
            assert await tab.violations() == []
        await tab.photograph("slot_connect_phone_dark")
        await page.get_by_role("tab", name="Готовые фото").click()
        await page.get_by_role("button", name="Посмотреть").click()
        await expect(page.get_by_role("dialog").get_by_role("img", name="QR-код")).to_be_visible()
        assert await tab.violations() == []
        await tab.photograph("slot_picture_phone_dark", whole=False)
