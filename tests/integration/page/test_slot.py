"""The page of one slot: its settings, its route, the try, its pictures, its camera."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import pytest
from photochanger.core.domain.accounts import Permission
from photochanger.core.ports.provider import ProviderRequest, Rejected
from photochanger.entrypoints.diagnostics.sample_photos import reference_photo
from PIL import Image
from playwright.async_api import Browser, Locator, Page, expect

from tests.support import photos
from tests.support.accessibility import faults
from tests.support.administration import Administrator, token_of
from tests.support.browsing import Browsing, browsing
from tests.support.evening import demo_photo
from tests.support.http_server import END, PASSWORD, Service, part
from tests.support.service import LONG_WINDOW

pytestmark = pytest.mark.anyio

FRAME = {"provider_id": "local", "operation_id": "frame", "settings": {"caption": "Summer party"}}
ENHANCE = {"provider_id": "local", "operation_id": "enhance", "settings": {"strength": 40}}
SCRIPTED = {"provider_id": "scripted", "operation_id": "any", "settings": {}}


async def opened(tab: Browsing, slot_id: str, view: str = "configuration") -> Page:
    """The slot's page, signed in."""
    await tab.open(f"/#/slots/{slot_id}?tab={view}")
    await tab.sign_in()
    await expect(tab.page.get_by_role("tab", name="Connect")).to_be_visible()
    return tab.page


def step(page: Page, number: int) -> Locator:
    """A step of the route on the page."""
    return page.locator(".route > li").nth(number - 1)


def picture_file(name: str, data: bytes | None = None) -> dict[str, Any]:
    """A file as an input for files takes it."""
    return {"name": name, "mimeType": "image/jpeg", "buffer": photos.jpeg(320, 240) if data is None else data}


def frame_picture() -> bytes:
    """A frame to be laid over photos: an orange border around nothing."""
    picture = Image.new("RGBA", (300, 200), (240, 140, 20, 255))
    picture.paste((0, 0, 0, 0), (20, 20, 280, 180))
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


async def test_a_slot_is_configured(tab: Browsing, admin: Administrator) -> None:
    await admin.change_slot("slot-003", route=[FRAME])
    page = await opened(tab, "slot-003")
    await expect(page.get_by_role("region", name="Unsaved changes")).to_be_hidden()
    assert await tab.violations() == []

    await page.get_by_label("Border width, slider").fill("12")
    await expect(page.get_by_label("Border width", exact=True)).to_have_value("12")
    await page.get_by_label("Border width", exact=True).fill("99")
    await page.get_by_label("Caption").fill("Dear {guest}, {wish}")
    await page.get_by_label("Style", exact=True).select_option("Polaroid")
    await page.get_by_label("Name", exact=True).fill("")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("Must be 1–120 printable characters")).to_be_visible()
    await expect(page.get_by_label("Name", exact=True)).to_be_focused()
    await expect(step(page, 1).get_by_text("Must be at most 15.")).to_be_visible()
    await expect(step(page, 1).get_by_text("{guest} is not one of the prompt fields.")).to_be_visible()
    await expect(page.get_by_label("Caption")).to_have_attribute("aria-invalid", "true")
    assert await tab.violations() == []
    await tab.photograph("slot_errors", whole=False)

    await page.get_by_label("Name", exact=True).fill("<i>Ours</i>")
    await page.get_by_label("Border width", exact=True).fill("9")
    await page.get_by_role("button", name="Allow {guest}").click()
    await page.get_by_label("Add a field").fill("wish")
    await page.get_by_role("button", name="Add", exact=True).click()
    await page.get_by_label("Sample for guest").fill('Zoë "<b>"')
    await expect(page.get_by_role("figure")).to_contain_text("Dear Zoë '(b)', (nothing)")
    await page.get_by_role("radio", name="A branded photo").check()
    await page.get_by_label("Branded by").select_option("Artistic look")
    await page.get_by_label("Look", exact=True).select_option("Sketch")
    await page.get_by_label("Keep late pictures").check()
    await page.get_by_label("Keep transparency").check()

    role = page.get_by_role("region", name="Template: Frame")
    await role.get_by_role("button", name="Choose").click()
    dialog = page.get_by_role("dialog", name="Choose a picture: Frame")
    await expect(dialog.get_by_text("There are no template pictures yet.")).to_be_visible()
    await dialog.get_by_label("Upload a file").last.set_input_files(picture_file("gold.png", frame_picture()))
    await expect(dialog).to_be_hidden()
    await expect(role.get_by_text("gold")).to_be_visible()
    file = await page.evaluate_handle(
        "(bytes) => { const data = new DataTransfer();"
        " data.items.add(new File([new Uint8Array(bytes)], 'silver.png', {type: 'image/png'})); return data; }",
        [*frame_picture()],
    )
    await role.dispatch_event("drop", {"dataTransfer": file})
    await expect(role.get_by_text("silver")).to_be_visible()
    await role.get_by_role("button", name="Change").click()
    await expect(dialog.get_by_role("button", name="silver", pressed=True)).to_be_visible()
    assert await tab.violations() == []
    await tab.photograph("slot_templates", whole=False)
    await dialog.get_by_role("button", name="Delete gold").click()
    await page.get_by_role("dialog", name="Delete gold").get_by_role("button", name="Delete", exact=True).click()
    await expect(dialog.get_by_role("button", name="gold")).to_have_count(0)
    await page.keyboard.press("Escape")

    await page.get_by_role("button", name="Save").click()
    await tab.said("Saved. New photos use these settings.")
    await expect(page.get_by_role("heading", name="<i>Ours</i>", level=1)).to_be_visible()
    stored = await admin.get("/api/slots/slot-003")
    (template,) = (await admin.get("/api/template-media"))["items"]
    settings = {"caption": "Dear {guest}, {wish}", "border": 9, "style": "polaroid"}
    assert stored["route"] == [FRAME | {"settings": settings}]
    assert stored["templates"] == [{"setting_key": "frame", "media_id": template["id"]}]
    assert stored["prompt_fields"] == ["guest", "wish"]
    assert (stored["failure_answer"], stored["late_rescue"], stored["keep_transparency"]) == ("branded", True, True)
    assert stored["branded"] == {"operation_id": "stylize", "settings": {"look": "sketch"}}
    assert await tab.violations() == []
    assert not await tab.scrolls_sideways()
    await tab.photograph("slot_configuration")


async def test_a_route_is_put_in_order_and_nothing_is_lost(tab: Browsing, admin: Administrator) -> None:
    await admin.change_slot("slot-003", route=[FRAME, ENHANCE, SCRIPTED])
    page = await opened(tab, "slot-003")
    await step(page, 1).get_by_role("button", name="Frame tried first", expanded=True).click()
    await expect(step(page, 1).get_by_label("Caption")).to_be_hidden()
    await step(page, 3).locator(".step-drag").drag_to(step(page, 1).locator(".step-drag"))
    await expect(step(page, 1)).to_contain_text("Scripted · Any")
    await step(page, 1).get_by_role("button", name="Move down: Scripted").click()
    await expect(step(page, 2)).to_contain_text("Scripted · Any")
    await expect(step(page, 2).get_by_role("button", name="Move down")).to_be_focused()
    await step(page, 2).get_by_role("button", name="Remove: Scripted").click()
    await step(page, 1).get_by_role("button", name="Frame tried first", expanded=False).click()
    await page.get_by_role("button", name="Add a fallback").click()
    await step(page, 3).get_by_label("Operation").select_option("Artistic look")
    await step(page, 3).get_by_label("Look", exact=True).select_option("Noir")
    await step(page, 1).get_by_label("Longest side", exact=True).fill("1200")
    await page.get_by_label("Also call the second step").check()

    await page.get_by_role("link", name="Jobs", exact=True).click()
    leaving = page.get_by_role("dialog", name="Unsaved changes")
    await expect(leaving).to_be_visible()
    assert await tab.violations() == []
    await leaving.get_by_role("button", name="Stay here").click()
    await expect(step(page, 1).get_by_label("Longest side", exact=True)).to_have_value("1200")

    await page.get_by_role("switch", name="Accepts photos").click()
    await page.get_by_role("dialog").get_by_role("button", name="Switch off").click()
    await expect(page.get_by_role("switch", name="Accepts photos", checked=False)).to_be_visible()
    assert (await admin.get("/api/slots/slot-003"))["active"] is False
    await expect(step(page, 1).get_by_label("Longest side", exact=True)).to_have_value("1200")

    # Somebody else changes other fields: both changes are kept, nobody is asked.
    assert (await admin.change_slot("slot-003", name="Of another", late_rescue=True)).status_code == 200
    await page.get_by_role("button", name="Save").click()
    await tab.said("Saved together with somebody else's changes: Name, Late pictures.")
    await expect(page.get_by_label("Name", exact=True)).to_have_value("Of another")
    stored = await admin.get("/api/slots/slot-003")
    noir = {"provider_id": "local", "operation_id": "stylize", "settings": {"look": "noir"}}
    larger = FRAME | {"settings": {"caption": "Summer party", "max_side": 1200}}
    assert stored["route"] == [larger, ENHANCE, noir]
    assert (stored["name"], stored["hedge"], stored["late_rescue"]) == ("Of another", True, True)

    # Both change the name and the same setting of a step, and each another one: asked is only what both changed.
    await page.get_by_label("Name", exact=True).fill("Mine")
    await page.get_by_label("Keep late pictures").uncheck()
    await step(page, 1).get_by_label("Caption").fill("Mine, too")
    theirs = FRAME | {"settings": {"caption": "Theirs", "max_side": 900}}
    await admin.change_slot("slot-003", name="Of another once more", route=[theirs, ENHANCE, noir])
    await page.get_by_role("button", name="Save").click()
    conflict = page.get_by_role("dialog", name="Somebody else has changed this slot")
    await expect(conflict.get_by_role("group")).to_have_count(2)
    name = conflict.get_by_role("group", name="Name")
    caption = conflict.get_by_role("group", name="Step 1 · Caption")
    save = conflict.get_by_role("button", name="Save the chosen")
    await expect(save).to_be_disabled()
    await name.get_by_role("radio", name="Of another once more").check()
    await caption.get_by_role("radio", name="Mine, too").check()
    assert await faults(tab) == []
    await tab.photograph("slot_conflict", whole=False)
    await save.click()
    await expect(conflict).to_be_hidden()
    await expect(page.get_by_label("Name", exact=True)).to_have_value("Of another once more")
    await expect(page.get_by_role("region", name="Unsaved changes")).to_be_hidden()
    stored = await admin.get("/api/slots/slot-003")
    assert stored["route"][0]["settings"] == {"caption": "Mine, too", "max_side": 900}
    assert (stored["name"], stored["late_rescue"]) == ("Of another once more", False)
    await page.get_by_label("Name", exact=True).fill("Thrown away")
    await page.get_by_role("link", name="Jobs", exact=True).click()
    await leaving.get_by_role("button", name="Discard changes").click()
    await expect(page.get_by_role("heading", name="Of another once more")).to_be_hidden()
    assert (await admin.get("/api/slots/slot-003"))["name"] == "Of another once more"


async def test_a_photo_is_tried_with_settings_that_are_not_saved(
    tab: Browsing, service: Service, admin: Administrator, tmp_path: Path
) -> None:
    await admin.change_slot("slot-002", route=[ENHANCE])
    portrait = tmp_path / "portrait.jpg"
    portrait.write_bytes(reference_photo())
    page = await opened(tab, "slot-002")
    await step(page, 1).get_by_label("Operation").select_option("Artistic look")
    await step(page, 1).get_by_label("Look", exact=True).select_option("Oil")
    await step(page, 1).get_by_label("Longest side", exact=True).fill("900")
    await page.get_by_role("tab", name="Try it").click()
    await expect(page.get_by_text("including unsaved changes")).to_be_visible()
    await page.get_by_label("Choose a photo").set_input_files(portrait)
    outcome = page.get_by_role("region", name="Result")
    await expect(outcome.get_by_text("Done", exact=True)).to_be_visible()
    await expect(outcome.get_by_text("× 900")).to_be_visible()
    await expect(outcome.get_by_role("listitem")).to_contain_text("On this machine · Artistic look")
    slider = outcome.get_by_label("How much of the photo before is shown")
    await slider.focus()
    await page.keyboard.press("ArrowRight")
    await expect(slider).to_have_value("51")
    assert await outcome.locator(".compare").evaluate("(element) => element.style.getPropertyValue('--cut')") == "51%"
    await expect(outcome.get_by_role("img", name="Before")).to_have_js_property("complete", True)
    assert await tab.violations() == []
    assert not await tab.scrolls_sideways()
    await page.evaluate("() => scrollTo(0, 0)")
    await tab.photograph("slot_try")
    assert (await admin.get("/api/slots/slot-002"))["route"] == [ENHANCE]
    (tried,) = (await admin.get("/api/jobs?source=test"))["items"]
    await expect(outcome.get_by_role("link", name=tried["job_id"])).to_be_visible()

    async def refused(request: ProviderRequest) -> bytes:
        raise Rejected("This photo is refused for its hat.")

    service.provider.script = refused
    await page.get_by_role("tab", name="Configuration").click()
    await step(page, 1).get_by_label("Provider").select_option("Scripted")
    await page.get_by_role("tab", name="Try it").click()
    await page.get_by_role("button", name="Try again with portrait.jpg").click()
    await expect(outcome.get_by_text("Failed", exact=True)).to_be_visible()
    await expect(outcome.get_by_role("listitem")).to_contain_text("Refused")
    await expect(outcome.get_by_role("listitem")).to_contain_text("This photo is refused for its hat.")
    assert await tab.violations() == []
    await page.evaluate("() => scrollTo(0, 0)")
    await tab.photograph("slot_try_failed")
    await page.get_by_role("tab", name="Configuration").click()
    await page.get_by_role("button", name="Remove: Scripted").click()
    await page.get_by_role("tab", name="Try it").click()
    await page.get_by_role("button", name="Try again with portrait.jpg").click()
    await expect(page.get_by_role("alert")).to_contain_text("An active slot needs at least one step.")


async def test_pictures_come_live_and_a_camera_gets_help(tab: Browsing, service: Service, admin: Administrator) -> None:
    page = await opened(tab, "slot-003", "results")
    await expect(page.get_by_text("No pictures yet.")).to_be_visible()
    await page.get_by_role("tab", name="Connect").click()
    await expect(page.get_by_text("No request in the last 24 hours.")).to_be_visible()
    await page.get_by_role("tab", name="Pictures").click()
    await admin.change_slot("slot-003", route=[FRAME])
    for photo in ("portrait", "coffee", "cat"):
        assert (await service.ingest("slot-003", photo=demo_photo(photo))).status_code == 200
    pictures = page.get_by_role("button", name="View")
    await expect(pictures).to_have_count(3)
    await tab.photograph("slot_results", whole=False)
    await pictures.first.focus()
    await page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Picture 1 of 3")
    await expect(dialog.get_by_text("No QR code: phones cannot open this address.")).to_be_visible()
    await expect(dialog.get_by_text("Scan to download the picture.")).to_have_count(0)
    await expect(dialog.get_by_role("timer")).to_have_text(re.compile(r"Expires in 7[12]:\d\d:\d\d"))
    assert await tab.violations() == []
    await tab.photograph("slot_picture", whole=False)
    newest, second, _ = (await admin.get("/api/slots/slot-003"))["recent_results"]
    async with page.expect_download() as downloading:
        await dialog.get_by_role("link", name="Download").click()
    path = await (await downloading.value).path()
    answer = await service.client.get(newest["download_url"])
    assert path.read_bytes() == answer.content
    await page.keyboard.press("ArrowRight")
    dialog = page.get_by_role("dialog", name="Picture 2 of 3")
    await expect(dialog.get_by_role("img", name="Finished picture")).to_have_attribute(
        "src", f"/public/results/{second['job_id']}"
    )
    await service.ingest("slot-003")
    await expect(page.get_by_role("dialog", name="Picture 3 of 4")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_be_hidden()
    await expect(pictures).to_have_count(4)
    jobs = page.get_by_role("link", name="All jobs of this slot")
    await expect(jobs).to_have_attribute("href", "#/jobs?slot=slot-003")

    await admin.change_slot("slot-003", prompt_fields=["guest"])
    await page.get_by_role("tab", name="Connect").click()
    address = f"http://127.0.0.1:{service.port}/ingest/slot-003"
    await expect(page.get_by_text(address, exact=True)).to_be_visible()
    # A camera waits for the whole window, and for what the way there and back takes.
    await expect(page.get_by_text(f"{LONG_WINDOW.seconds + 12} seconds")).to_be_visible()
    await page.get_by_role("button", name="Breeze Booth").click()
    await expect(page.get_by_text("The slot answers in the other way")).to_be_visible()
    await page.get_by_role("button", name="DSLR Remote Pro").click()
    last = page.get_by_role("region", name="Last request")
    await service.ingest("slot-003", password="not the one")
    await expect(last.get_by_text("The camera password is wrong.")).to_be_visible()
    misnamed = part("guest", "<b>Zoë</b>") + part("password", PASSWORD) + part("photo", photos.jpeg(), filename="1.jpg")
    await service.post_form("slot-003", misnamed + END)
    await expect(last.get_by_text("The photo is in the field photo. Name the field fileToUpload")).to_be_visible()
    await last.get_by_text("1 further field").click()
    await expect(last.get_by_text("<b>Zoë</b>")).to_be_visible()
    assert await tab.violations() == []
    assert not await tab.scrolls_sideways()
    await tab.photograph("slot_connect")
    answer = await service.ingest("slot-003")
    await expect(last.get_by_role("link", name=answer.headers["x-job-id"])).to_be_visible()
    await expect(last.get_by_text("How to fix it")).to_be_hidden()
    assert PASSWORD not in await page.content()


async def test_a_reader_is_offered_nothing_else(service: Service, admin: Administrator, chromium: Browser) -> None:
    await admin.change_slot("slot-003", route=[FRAME, ENHANCE])
    token = await token_of(service, Permission.SLOTS_READ)
    headers = {"Authorization": f"Bearer {token}"}
    async with browsing(chromium, f"http://127.0.0.1:{service.port}", extra_http_headers=headers) as tab:
        await tab.open("/#/slots/slot-003")
        page = tab.page
        await expect(page.get_by_label("Caption")).to_be_disabled()
        await expect(step(page, 2).get_by_label("Strength", exact=True)).to_have_value("40")
        await expect(page.get_by_role("switch")).to_be_disabled()
        await expect(page.get_by_role("tab", name="Pictures")).to_be_visible()
        await expect(page.get_by_role("tab", name="Try it")).to_have_count(0)
        assert await tab.violations() == []


async def test_a_slot_is_changed_by_keyboard_alone(tab: Browsing, admin: Administrator) -> None:
    await admin.change_slot("slot-003", route=[FRAME, ENHANCE])
    page = tab.page
    await tab.sign_in()
    card = page.get_by_role("link", name="Party frame", exact=True)
    await expect(card).to_be_visible()

    async def tab_to(wanted: Locator) -> None:
        for _ in range(120):
            if await wanted.evaluate("(element) => element === document.activeElement"):
                return
            await page.keyboard.press("Tab")
        raise AssertionError("the keyboard does not get there")

    await tab_to(card)
    await page.keyboard.press("Enter")
    await expect(page.get_by_label("Border width, slider")).to_be_visible()
    await page.get_by_role("tab", name="Configuration").focus()
    await page.keyboard.press("ArrowLeft")
    await expect(page.get_by_role("tab", name="Connect", selected=True)).to_be_focused()
    await page.keyboard.press("ArrowRight")
    await expect(page.get_by_role("tab", name="Configuration", selected=True)).to_be_focused()
    await tab_to(page.get_by_label("Border width, slider"))
    await page.keyboard.press("ArrowRight")
    await tab_to(page.get_by_role("button", name="Move up: On this machine · Natural enhance"))
    await page.keyboard.press("Enter")
    await expect(step(page, 1)).to_contain_text("Natural enhance")
    await tab_to(page.get_by_role("button", name="Save"))
    await page.keyboard.press("Enter")
    await tab.said("Saved. New photos use these settings.")
    stored = await admin.get("/api/slots/slot-003")
    assert stored["route"] == [ENHANCE, FRAME | {"settings": {"caption": "Summer party", "border": 7}}]


async def test_a_slot_gets_an_ingest_password_of_its_own(tab: Browsing, service: Service, admin: Administrator) -> None:
    await admin.change_slot("slot-003", route=[FRAME])
    page = await opened(tab, "slot-003")
    field = page.get_by_label("New password of this slot")
    await field.fill("short")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("Must be 8 to 1024 characters long.")).to_be_visible()
    await field.fill("of the booth")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("Its own", exact=True)).to_be_visible()
    await expect(field).to_have_value("")
    assert (await admin.get("/api/slots/slot-003"))["ingest_password_set"] is True
    assert (await service.ingest("slot-003")).status_code == 401
    assert await tab.violations() == []

    await page.get_by_role("button", name="Remove it").click()
    await expect(page.get_by_text("accepts the general camera password again")).to_be_visible()
    await page.get_by_role("button", name="Keep it").click()
    await expect(page.get_by_role("region", name="Unsaved changes")).to_be_hidden()
    await page.get_by_role("button", name="Remove it").click()
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("The general one", exact=True)).to_be_visible()
    assert (await admin.get("/api/slots/slot-003"))["ingest_password_set"] is False
