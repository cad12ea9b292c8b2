"""The keys of booths on the page: made and shown once, listed with their last photos, revoked."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect

from tests.support import photos
from tests.support.accessibility import faults
from tests.support.administration import Administrator
from tests.support.browsing import Browsing
from tests.support.http_server import END, FORM, Service, part

pytestmark = pytest.mark.anyio


async def test_a_booth_gets_a_key_and_loses_it(tab: Browsing, service: Service, admin: Administrator) -> None:
    page = tab.page
    await tab.open("/#/settings?tab=secrets")
    await tab.sign_in()
    section = page.locator("section").filter(has=page.get_by_role("heading", name="Keys of booths"))
    await expect(section.get_by_text("No booth has a key.")).to_be_visible()
    await section.get_by_role("button", name="Add a booth…").click()
    dialog = page.get_by_role("dialog", name="Key for a booth")
    await dialog.get_by_role("button", name="Make the key").click()
    await expect(dialog.get_by_text("Must be 1–100 printable characters on one line.")).to_be_visible()
    assert await tab.violations() == []
    await dialog.get_by_role("textbox", name="Name of the booth").fill("iPad at the entrance")
    await dialog.get_by_role("button", name="Make the key").click()
    key = await dialog.get_by_text(re.compile("^pck_")).text_content()
    address = await dialog.get_by_text(re.compile("/ingest/slot-001/k/pck_")).text_content()
    assert key is not None
    assert address is not None
    assert address.endswith(f"/ingest/slot-001/k/{key}")
    row = section.get_by_role("row").filter(has_text="iPad at the entrance")
    await expect(row.get_by_text("No photo yet")).to_be_visible()
    assert await faults(tab) == []
    await tab.photograph("ingest_key")
    await dialog.get_by_role("button", name="I have noted it").click()

    # The address works until the key is revoked.
    body = part("fileToUpload", photos.jpeg(160, 120), filename="a.jpg") + END
    sent = await service.client.post(address, content=body, headers={"Content-Type": FORM})
    assert sent.status_code == 200, sent.text

    await row.get_by_role("button", name="Revoke the key of iPad at the entrance?").click()
    await page.get_by_role("dialog").get_by_role("button", name="Revoke the key").click()
    await expect(section.get_by_text("No booth has a key.")).to_be_visible()
    refused = await service.client.post(address, content=body, headers={"Content-Type": FORM})
    assert refused.status_code == 401
    actions = [entry["action"] for entry in (await admin.get("/api/audit"))["items"]]
    assert {"ingest_key_added", "ingest_key_revoked"} <= set(actions)
