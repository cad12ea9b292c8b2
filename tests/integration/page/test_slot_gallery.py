"""The gallery of a slot on its page: opened, closed and named at once, and its sign on paper."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, expect

from tests.support.administration import Administrator
from tests.support.browsing import BOOTH_HOST, PHONE, browsing
from tests.support.http_server import Service
from tests.support.printed import printed_pages

pytestmark = pytest.mark.anyio

_A5_MM = (148, 210)
_LONG_TITLE = "Золотая свадьба Александры Константиновны и Владислава Вячеславовича Преображенских, Петербург, 2026"


async def test_a_gallery_is_opened_named_and_closed_at_once_whatever_is_unsaved(
    chromium: Browser, service: Service, admin: Administrator
) -> None:
    address = f"{BOOTH_HOST}:{service.port}/gallery/slot-001"
    async with browsing(chromium, f"http://{BOOTH_HOST}:{service.port}") as tab:
        page = tab.page
        await page.add_init_script("window.print = () => { window.printed = true; };")
        await tab.open("/#/slots/slot-001")
        await tab.sign_in()
        await page.get_by_label("Name", exact=True).fill("Not saved yet")
        await page.get_by_role("tab", name="Gallery").click()
        gallery = page.get_by_role("region", name="Guests' gallery")
        await expect(gallery.get_by_text("Closed")).to_be_visible()
        await gallery.get_by_role("button", name="Open for 6 hours").click()
        await expect(gallery.get_by_text("Open until", exact=False).first).to_be_visible()
        await expect(gallery.get_by_role("button", name="Close it now")).to_be_visible()
        assert (await service.client.get("/public/gallery/slot-001")).json()["title"] == "Natural enhance"
        await expect(page.get_by_role("link", name=f"http://{address}")).to_be_visible()

        sign = page.get_by_role("region", name="Sign")
        await expect(sign.get_by_role("img", name="QR code of the gallery")).to_be_visible()
        await expect(sign.get_by_text("Natural enhance")).to_be_visible()
        await page.get_by_label("Title for guests").fill(" Anna & <b>Ben</b> ")
        await page.get_by_role("button", name="Set", exact=True).click()
        await expect(sign.get_by_text("Anna & <b>Ben</b>", exact=True)).to_be_visible()
        assert (await service.client.get("/public/gallery/slot-001")).json()["title"] == "Anna & <b>Ben</b>"
        stored = await admin.get("/api/slots/slot-001")
        assert (stored["name"], stored["gallery_title"]) == ("Natural enhance", "Anna & <b>Ben</b>")
        assert await tab.violations() == []
        await tab.photograph("slot_gallery")

        await gallery.get_by_role("button", name="Close it now").click()
        await expect(gallery.get_by_text("Closed")).to_be_visible()
        assert (await service.client.get("/public/gallery/slot-001")).status_code == 404
        await gallery.get_by_label("Open until").fill("2090-01-01T12:00")
        await gallery.get_by_role("button", name="Open", exact=True).click()
        await expect(gallery.get_by_label("Open until")).to_have_attribute("aria-invalid", "true")
        await expect(page.get_by_role("region", name="Unsaved changes")).to_be_visible()
        await page.get_by_role("tab", name="Configuration").click()
        await expect(page.get_by_label("Name", exact=True)).to_have_value("Not saved yet")
        await page.get_by_role("button", name="Discard").click()

        # The sign, also before the gallery is opened: in the language of the guests, on one sheet.
        await page.get_by_role("tab", name="Gallery").click()
        assert (await admin.change_slot(gallery_title=_LONG_TITLE)).status_code == 200
        await page.reload()
        await sign.get_by_role("button", name="Русский").click()
        await expect(sign.locator("[lang=ru]").get_by_text("Ваше фото здесь")).to_be_visible()
        await expect(sign.get_by_text(address, exact=True)).to_be_visible()
        bottom = await sign.locator(".sign").evaluate("(one) => one.scrollHeight <= one.clientHeight")
        assert bottom, "a long title leaves no room for the rest"
        await sign.get_by_role("button", name="Print the sign").click()
        await page.wait_for_function("() => window.printed")
        (paper,) = printed_pages(await page.pdf(prefer_css_page_size=True))
        assert paper.size == pytest.approx(_A5_MM, abs=0.5)
        assert paper.has_text
        assert not paper.pictures
        await expect(page.locator(".print-alone")).to_have_count(0)

        await page.set_viewport_size(PHONE)
        assert not await tab.scrolls_sideways()
        assert await tab.violations() == []


async def test_who_only_looks_at_slots_can_print_the_sign(
    chromium: Browser, service: Service, admin: Administrator
) -> None:
    added = await admin("POST", "/api/admins", json_body={"username": "looks", "role": "viewer"})
    assert added.status_code == 201, added.text
    async with browsing(chromium, f"http://{BOOTH_HOST}:{service.port}") as tab:
        page = tab.page
        await tab.open("/#/slots/slot-001?tab=gallery")
        await tab.sign_in("looks", added.json()["password"])
        await expect(page.get_by_role("button", name="Print the sign")).to_be_enabled()
        await expect(page.get_by_role("button", name="Open for 2 hours")).to_have_count(0)
        await expect(page.get_by_label("Title for guests")).to_have_count(0)
