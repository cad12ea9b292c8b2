"""Addresses that other devices can open, and those that they cannot."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from tests.support.administration import sign_in
from tests.support.browsing import PHONE, Browsing, browsing
from tests.support.http_server import Service, serving

pytestmark = pytest.mark.anyio

CODE = "QR code of the gallery"


async def test_the_address_that_is_configured_is_in_codes_and_links(chromium: Browser, tmp_path: Path) -> None:
    async with serving(tmp_path, public_base_url="https://booth.example") as service:
        admin = await sign_in(service)
        async with browsing(chromium, f"http://127.0.0.1:{service.port}") as tab:
            page = tab.page
            await tab.open("/#/slots/slot-001?tab=gallery")
            await tab.sign_in()
            await expect(page.get_by_role("img", name=CODE)).to_be_visible()
            await expect(page.get_by_role("link", name="https://booth.example/gallery/slot-001")).to_be_visible()
            await expect(page.get_by_text("works on this computer only")).to_be_hidden()
            await expect(page.get_by_text("booth.example/gallery/slot-001", exact=True)).to_be_visible()  # on the sign
            assert (await admin.get("/api/slots/slot-001"))["gallery_url"] == "https://booth.example/gallery/slot-001"

            # A screen in the hall shows the same address, also while there is no picture yet.
            until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
            assert (await admin.change_slot(gallery_open_until=until)).status_code == 200
            gallery = (await service.client.get("/public/gallery/slot-001")).json()
            assert gallery["url"] == "https://booth.example/gallery/slot-001"
            await tab.open("/gallery/slot-001#show")
            await expect(page.get_by_role("img", name="QR code of the link to this gallery")).to_be_visible()


async def test_an_address_of_this_machine_has_no_code_but_advice(tab: Browsing, service: Service) -> None:
    page = tab.page
    networked = {
        "base_url": tab.base_url,
        "configured": False,
        "only_this_machine": True,
        "network_urls": ["http://192.168.1.5:8000"],
    }
    await page.route("**/api/addresses", lambda route: route.fulfill(json=networked))
    await tab.open("/#/slots/slot-001?tab=gallery")
    await tab.sign_in()
    advice = page.get_by_role("note")
    await expect(advice).to_contain_text("This address works on this computer only.")
    await expect(advice.get_by_text("http://192.168.1.5:8000/gallery/slot-001", exact=True)).to_be_visible()
    await expect(page.get_by_role("img", name=CODE)).to_have_count(0)
    await expect(page.get_by_text("No QR code: phones cannot open this address.")).to_be_visible()
    await expect(page.get_by_role("button", name="Print the sign")).to_be_disabled()
    await page.get_by_role("tab", name="Connect").click()
    await expect(page.get_by_text("http://192.168.1.5:8000/ingest/slot-001", exact=True)).to_be_visible()
    assert await tab.violations() == []
    await page.set_viewport_size(PHONE)
    assert not await tab.scrolls_sideways()
    await tab.photograph("slot_connect_loopback_phone")
    await page.unroute("**/api/addresses")
    await page.reload()
    await expect(page.get_by_role("note").filter(has_text="--host 0.0.0.0").first).to_be_visible()
