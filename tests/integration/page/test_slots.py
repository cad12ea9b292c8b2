"""The page of slots: the evening at a glance, what each slot does and how it is doing, live."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from photochanger.core.domain.slots.slot import Route, RouteEntry, Slot
from photochanger.core.ports.repositories.slot_repository import SlotRepository
from playwright.async_api import Browser, expect

from tests.support.administration import Administrator
from tests.support.browsing import BOOTH_HOST, PHONE, Browsing, browsing
from tests.support.evening import demo_photo, refused
from tests.support.http_server import Gate, Service

pytestmark = pytest.mark.anyio

TABLET = {"width": 768, "height": 1024}

LOCAL: dict[str, tuple[str, str, dict[str, Any]]] = {
    "slot-001": ("portrait", "enhance", {}),
    "slot-002": ("pavilion", "stylize", {"look": "oil"}),
    "slot-003": ("coffee", "frame", {"caption": "Anna & Ben"}),
    "slot-004": ("cat", "background", {"mode": "bokeh"}),
}


async def an_evening(service: Service, admin: Administrator) -> None:
    """Four slots that work on this machine, with a demo photo through each."""
    for slot_id, (photo, operation_id, settings) in LOCAL.items():
        route = [{"provider_id": "local", "operation_id": operation_id, "settings": settings}]
        assert (await admin.change_slot(slot_id, route=route)).status_code == 200
        answer = await service.ingest(slot_id, photo=demo_photo(photo))
        assert answer.status_code == 200, answer.text


async def test_slots_at_a_glance(tab: Browsing, service: Service, admin: Administrator) -> None:
    page = tab.page
    await an_evening(service, admin)
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
    await expect(natural.get_by_text("got no picture.")).to_be_visible()

    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await oil.get_by_role("button", name="Copy address Oil painting").click()
    await tab.said("Copied")
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
    await page.get_by_role("link", name="Party frame", exact=True).click()
    await expect(page.get_by_role("heading", name="Party frame", level=1)).to_be_visible()


async def test_the_evening_at_a_glance(tab: Browsing, service: Service, admin: Administrator) -> None:
    page = tab.page
    evening = page.get_by_label("The evening at a glance")
    cards = page.get_by_role("main").get_by_role("listitem").filter(has=page.get_by_role("heading", level=2))
    scripted = [{"provider_id": "scripted", "operation_id": "any", "settings": {}}]
    await an_evening(service, admin)
    await admin.change_slot("slot-003", route=scripted)
    await tab.sign_in()
    await expect(evening.get_by_role("definition").first).to_have_text("4")
    await expect(evening.get_by_role("definition").nth(1)).to_have_text("100%")
    await expect(evening.get_by_role("link", name="Scripted")).to_be_visible()
    await expect(evening.get_by_text("Not checked yet")).to_be_visible()

    for _ in range(3):
        await refused(service, "slot-003")
    await expect(evening.get_by_role("definition").first).to_have_text("7")
    await expect(evening.get_by_role("definition").nth(1)).to_contain_text("57%")
    await page.get_by_label("Order").select_option("Needs attention first")
    party = cards.first
    await expect(party.get_by_role("heading")).to_have_text("Party frame")
    await expect(party.get_by_text("Failing", exact=True)).to_be_visible()
    await expect(
        party.get_by_role("img", name="Last hour: 4 photos, 3 without a picture of their route")
    ).to_be_visible()
    await expect(party.get_by_text(re.compile("^Last photo (now|.* ago)$"))).to_be_visible()
    held = Gate()
    service.provider.script = held
    async with asyncio.TaskGroup() as group:
        group.create_task(service.ingest("slot-003"))
        await held.held(1)
        await expect(party.get_by_text("1 in progress")).to_be_visible()
        await expect(evening.get_by_text("1 in progress")).to_be_visible()
        assert await tab.violations() == []
        assert not await tab.scrolls_sideways()
        await tab.photograph("slots-evening")
        held.opened.set()
    await expect(party.get_by_text("in progress")).to_have_count(0)

    await party.get_by_role("link", name="3 of the last 5 photos got no picture.").click()
    await expect(page.get_by_role("heading", name="Jobs", level=1)).to_be_visible()
    await expect(page.get_by_role("row").filter(has_text="Provider failed")).to_have_count(3)
    await expect(page.get_by_role("row")).to_have_count(4)
    await page.go_back()
    await page.get_by_role("link", name="Provider failed: 3").click()
    await expect(page.get_by_role("row").filter(has_text="Provider failed")).to_have_count(3)
    await page.go_back()
    await party.get_by_role("link", name="Pictures").click()
    await expect(page.locator(".tile")).to_have_count(2)
    await page.go_back()
    await party.get_by_role("link", name="Try it").click()
    await expect(page.get_by_role("tab", name="Try it")).to_have_attribute("aria-selected", "true")
    await page.go_back()
    await evening.get_by_role("link", name="Not checked yet").click()
    await expect(page.get_by_role("button", name="Start")).to_be_visible()


async def test_a_slot_is_switched_and_its_gallery_opened_from_its_card(
    service: Service, admin: Administrator, chromium: Browser
) -> None:
    async with browsing(chromium, f"http://{BOOTH_HOST}:{service.port}", size=TABLET) as tab:
        page = tab.page
        await tab.open()
        await tab.sign_in()
        card = page.get_by_role("listitem").filter(has=page.get_by_role("link", name="Oil painting", exact=True))
        await expect(card.get_by_text("No photos yet")).to_be_visible()
        switch = card.get_by_role("switch", name="Accepts photos: Oil painting")
        await switch.click()
        await page.get_by_role("dialog").get_by_role("button", name="Switch off").click()
        await expect(switch).to_have_attribute("aria-checked", "false")
        await expect(card.get_by_text("Off", exact=True)).to_be_visible()
        await switch.click()
        await expect(card.get_by_text("Active", exact=True)).to_be_visible()
        assert (await admin.get("/api/slots/slot-002"))["active"] is True

        await card.get_by_role("button", name="Gallery").click()
        dialog = page.get_by_role("dialog", name="Gallery of Oil painting")
        await expect(dialog.get_by_text("Closed", exact=True)).to_be_visible()
        await expect(dialog.get_by_role("img")).to_have_count(0)
        assert await tab.violations() == []
        await dialog.get_by_role("button", name="Open for 6 hours").click()
        await expect(dialog.get_by_role("img", name="QR code of the gallery")).to_be_visible()
        assert await tab.violations() == []
        await tab.photograph("slots-gallery", whole=False)
        link = await dialog.get_by_role("link", name="Visit the gallery").get_attribute("href")
        assert link == f"http://{BOOTH_HOST}:{service.port}/gallery/slot-002"
        await dialog.get_by_role("button", name="Close it now").click()
        await expect(dialog.get_by_text("Closed", exact=True)).to_be_visible()
        await page.keyboard.press("Escape")
        await expect(dialog).to_have_count(0)


async def test_of_500_slots_only_those_in_sight_are_rendered(
    tab: Browsing, service: Service, admin: Administrator
) -> None:
    page = tab.page
    route = Route(entries=(RouteEntry("scripted", "any"),))
    slots = await service.opened.container.get(SlotRepository)
    await slots.add_missing([Slot(f"slot-{number:03d}", f"Booth {number}", True, route) for number in range(16, 501)])
    await tab.sign_in()
    cards = page.locator(".slot-card")
    await expect(page.get_by_text("489 of 500 active")).to_be_visible()
    await expect(cards).to_have_count(48)
    assert not await tab.scrolls_sideways()
    await service.ingest("slot-500")
    await refused(service, "slot-499")
    await page.get_by_label("Order").select_option("Needs attention first")
    await expect(cards.first).to_contain_text("Booth 499")
    await page.get_by_label("Search slots").fill("booth 500")
    await expect(cards).to_have_count(1)
    await expect(cards.first.get_by_text("1 photo · 100% done")).to_be_visible()
    await page.get_by_label("Search slots").fill("")
    await expect(cards).to_have_count(48)
    before = await page.evaluate("() => document.querySelectorAll('*').length")
    for _ in range(5):
        await service.ingest("slot-500")
    await expect(page.get_by_label("The evening at a glance").get_by_role("definition").first).to_have_text("7")
    assert await page.evaluate("() => document.querySelectorAll('*').length") <= before + 10
    await page.get_by_role("button", name="Show more").scroll_into_view_if_needed()
    await expect(cards).to_have_count(96)
    await tab.photograph("slots-500", whole=False)


async def test_every_view_of_a_slot_on_a_phone_in_russian(
    service: Service, admin: Administrator, chromium: Browser
) -> None:
    await an_evening(service, admin)
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
        await page.get_by_role("link", name="Party frame", exact=True).click()
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
