"""What the page tells of the service's health, and the readiness check before an event."""

from __future__ import annotations

import pytest
from photochanger.core.domain.slots.slot import RouteEntry
from photochanger.core.ports.provider import ProviderRequest, Rejected
from playwright.async_api import expect

from tests.support.administration import Administrator
from tests.support.browsing import PHONE, Browsing
from tests.support.http_server import Gate, Service

pytestmark = pytest.mark.anyio


async def refused(request: ProviderRequest) -> bytes:
    raise Rejected("A safety filter of the provider refused the picture.")


async def named(service: Service, admin: Administrator) -> None:
    """Slots as of an evening; the third goes to the scripted provider."""
    for slot_id, name, entry in (
        ("slot-001", "Oil painting", RouteEntry("local", "stylize", {"look": "oil"})),
        ("slot-002", "Party frame", RouteEntry("local", "frame")),
        ("slot-004", "Studio <b>background</b>", RouteEntry("local", "background")),
    ):
        await service.change_slot(slot_id, entries=(entry,))
        assert (await admin.change_slot(slot_id, name=name)).status_code == 200
    assert (await admin.change_slot("slot-003", name="Comic by AI")).status_code == 200


async def test_health_tells_of_every_part_and_follows(tab: Browsing, service: Service, admin: Administrator) -> None:
    page = tab.page
    await page.clock.install()
    await tab.open("/#/settings?tab=health")
    await tab.sign_in()
    await expect(page.get_by_text("No recent failures.")).to_be_visible()
    await expect(page.get_by_text("Media store: works")).to_be_visible()
    service.provider.script = refused
    assert (await service.ingest("slot-001")).status_code == 502
    await page.clock.fast_forward(5_000)
    failure = page.get_by_role("listitem").filter(has_text="No provider could make the picture.")
    await expect(failure).to_be_visible()
    scripted = page.get_by_role("row").filter(has_text="Scripted")
    await expect(scripted).to_contain_text("Not known yet")  # a refusal says nothing about the provider
    await expect(scripted.get_by_role("cell").last).to_have_text("1")
    assert await tab.violations() == []
    await tab.photograph("settings_health")
    await page.set_viewport_size(PHONE)
    assert not await tab.scrolls_sideways()
    assert await tab.violations() == []
    await failure.get_by_role("link", name="").click()
    await expect(page).to_have_url(f"{tab.base_url}/#/jobs/{next(iter(service.database.jobs))}")


async def test_every_active_slot_is_tried_before_the_event(
    tab: Browsing, service: Service, admin: Administrator
) -> None:
    page = tab.page
    await named(service, admin)
    gate = Gate()
    service.provider.script = gate
    await tab.open("/#/settings?tab=ready")
    await tab.sign_in()
    await expect(page.get_by_text("one click, one table", exact=False)).to_be_visible()
    await page.get_by_role("button", name="Start the check").click()
    rows = page.get_by_role("row")
    await expect(page.get_by_text("3 of 4 slots checked")).to_be_visible()
    await expect(rows.filter(has_text="Ready")).to_have_count(3)
    await expect(rows.filter(has_text="slot-003")).to_contain_text("running…")
    assert await tab.violations() == []
    # A look elsewhere neither ends nor forgets it.
    await page.get_by_role("link", name="Account", exact=True).click()
    gate.opened.set()
    await page.get_by_role("link", name="Before the event").click()
    await expect(page.get_by_text("All 4 slots are ready.")).to_be_visible()
    await expect(page.get_by_role("link", name="Studio <b>background</b>")).to_be_visible()

    service.provider.script = refused
    await page.get_by_role("button", name="Check again").click()
    await expect(page.get_by_text("1 slot is not ready.")).to_be_visible()
    failed = rows.filter(has_text="slot-003")
    await expect(failed).to_contain_text("No picture")
    await expect(failed).to_contain_text("A safety filter")
    await expect(rows.filter(has_text="Scripted").filter(has_text="no limit")).to_be_visible()
    assert await tab.violations() == []
    await tab.photograph("settings_ready")
    await page.emulate_media(media="print")
    await expect(page.get_by_role("banner")).to_be_hidden()
    await tab.photograph("settings_ready_printed")
    await page.emulate_media(media="screen")
    await page.set_viewport_size(PHONE)
    assert not await tab.scrolls_sideways()
    assert await tab.violations() == []
    await tab.photograph("settings_ready_phone")

    # It can be stopped, and it says so.
    gate = Gate()
    service.provider.script = gate
    await page.get_by_role("button", name="Check again").click()
    await expect(page.get_by_text("3 of 4 slots checked")).to_be_visible()
    await page.get_by_role("button", name="Stop").click()
    await expect(page.get_by_text("The check was stopped.")).to_be_visible()
    await expect(rows.filter(has_text="slot-003")).to_contain_text("not run")
    gate.opened.set()
