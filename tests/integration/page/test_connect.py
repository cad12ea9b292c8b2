"""How each booth software is connected, in its own menu words, and what of that is confirmed."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.support.browsing import PHONE, Browsing
from tests.support.http_server import Service

pytestmark = pytest.mark.anyio

SOFTWARE = {
    "DSLR Remote Pro": ("“Web based (HTTP POST)”", "{service}/ingest/slot-003"),
    "Breeze Hotfolder Prints": ("“Enable Post processing”", "{service}/ingest/slot-003"),
    "Breeze Booth": ("has no field for a password", "{service}/ingest/slot-003/k/pck_…"),
    "dslrBooth": ("sends no photos for processing", "photochanger watch photos --slot slot-003 --url {service} "),
    "photobooth-app": ("“Photo Changer”", "{service}"),
    "PhotoboothProject": ("private/api/applyEffects.php", "{service}/ingest/slot-003"),
    "Other software": ("sends a photo in a form", "{service}/ingest/slot-003"),
}


async def test_each_software_is_connected_in_its_own_words(tab: Browsing, service: Service) -> None:
    page = tab.page
    await tab.open("/#/slots/slot-003")
    await tab.sign_in()
    await page.get_by_role("tab", name="Connect").click()
    choice = page.get_by_role("group", name="Camera software")
    await expect(choice.get_by_role("button")).to_have_text([*SOFTWARE])
    for name, (where, value) in SOFTWARE.items():
        await choice.get_by_role("button", name=name).click()
        card = page.locator(".connect > .card").first
        await expect(card).to_contain_text(where)
        await expect(
            card.locator("code, pre").filter(has_text=value.format(service=tab.base_url)).first
        ).to_be_visible()
        await expect(card.get_by_text("Not confirmed", exact=True)).to_be_visible()
        await expect(card.get_by_text("The slot answers in the other way")).to_have_count(int(name == "Breeze Booth"))
        await tab.photograph(f"slot_connect_{name.replace(' ', '_').lower()}")
    await choice.get_by_role("button", name="photobooth-app").click()
    assert await tab.violations() == []
    await page.get_by_text("admin", exact=True).click()
    await page.get_by_role("combobox", name="Language").select_option("ru")
    await page.set_viewport_size(PHONE)
    await expect(page.get_by_text("Не проверено", exact=True)).to_be_visible()
    assert not await tab.scrolls_sideways()
    await tab.photograph("slot_connect_app_phone_russian")
