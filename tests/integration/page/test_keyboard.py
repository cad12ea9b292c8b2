"""The ten commonest jobs of an evening, by the keyboard alone, each with at most five presses that act."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from photochanger.core.domain.accounts import Permission
from photochanger.core.domain.media import ImageLimits
from photochanger.core.services.providers.registry import ProviderRegistry
from playwright.async_api import Browser, Page, expect

from tests.support.administration import Administrator, sign_in, token_of
from tests.support.browsing import BOOTH_HOST, browsing
from tests.support.evening import demo_photo, pictured, refused
from tests.support.http_server import ScriptedProvider, Service, serving
from tests.support.keyboard import Keyboard

pytestmark = pytest.mark.anyio

MOST_PRESSES = 5
OIL = {"provider_id": "painter", "operation_id": "any", "settings": {"prompt": "Oil"}}


class Painter(ScriptedProvider):
    """A provider with a key and a prompt."""

    info = msgspec.structs.replace(
        ScriptedProvider.info,
        id="painter",
        title="Painter",
        needs_key=True,
        operations=(
            msgspec.structs.replace(
                ScriptedProvider.info.operations[0],
                settings_schema={
                    "type": "object",
                    "required": ["prompt"],
                    "properties": {"prompt": {"type": "string", "minLength": 1}},
                },
            ),
        ),
    )


@pytest.fixture(scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    scripted = ScriptedProvider()
    registry = ProviderRegistry([scripted, Painter()], limits=ImageLimits(max_pixels=100_000_000))
    async with serving(tmp_path_factory.mktemp("keyboard"), adapters={ProviderRegistry: registry}) as running:
        running.provider = scripted
        yield running


@pytest.fixture(scope="module")
async def admin(service: Service) -> Administrator:
    """An administrator at the API; what happened before the evening is arranged."""
    administrator = Administrator(service, await token_of(service, *Permission))
    answer = await administrator.change_slot("slot-006", name="Oil", active=True, route=[OIL])
    assert answer.status_code == 200, answer.text
    await refused(service)
    await pictured(service, "slot-001", "portrait")
    return administrator


@pytest.fixture(scope="module")
async def desk(service: Service, admin: Administrator, chromium: Browser) -> AsyncIterator[Page]:
    """The page, signed in."""
    async with browsing(chromium, f"http://{BOOTH_HOST}:{service.port}") as tab:
        await tab.page.add_init_script("window.print = () => { window.printed = (window.printed ?? 0) + 1; }")
        await tab.open()
        await tab.sign_in()
        await expect(tab.page.get_by_role("heading", name="Slots", level=1)).to_be_visible()
        yield tab.page


@pytest.fixture
async def keyboard(desk: Page) -> AsyncIterator[Keyboard]:
    """At the slots; the test fails if it took too many presses."""
    await desk.evaluate("() => { location.hash = '#/slots'; document.activeElement.blur(); scrollTo(0, 0); }")
    await expect(desk.get_by_role("heading", name="Slots", level=1)).to_be_visible()
    keys = Keyboard(desk)
    yield keys
    assert 0 < keys.presses <= MOST_PRESSES


async def test_a_slot_with_a_prompt_goes_live(keyboard: Keyboard, admin: Administrator) -> None:
    page = keyboard.page
    await keyboard.press(page.get_by_role("link", name="Slot 005", exact=True))
    await keyboard.press(page.get_by_role("button", name="Add a step"))
    step = page.get_by_role("listitem").filter(has=page.get_by_label("Provider"))
    await keyboard.choose(step.get_by_label("Provider"), "Painter")
    await keyboard.write(step.get_by_label("Prompt"), "Paint {guest} in oil")
    await keyboard.press(page.get_by_role("button", name="Save", exact=True))
    await expect(page.get_by_role("region", name="Unsaved changes")).to_be_hidden()
    await keyboard.press(page.get_by_role("switch"), "Space")
    await expect(page.get_by_role("switch")).to_be_checked()
    slot = await admin.get("/api/slots/slot-005")
    assert slot["active"]
    assert slot["route"][0]["settings"] == {"prompt": "Paint {guest} in oil"}


async def test_the_prompt_is_changed(keyboard: Keyboard, admin: Administrator) -> None:
    page = keyboard.page
    await keyboard.press(page.get_by_role("link", name="Oil", exact=True))
    await keyboard.write(page.get_by_label("Prompt"), "Watercolour")
    await keyboard.press(page.get_by_role("button", name="Save", exact=True))
    await expect(page.get_by_role("region", name="Unsaved changes")).to_be_hidden()
    assert (await admin.get("/api/slots/slot-006"))["route"][0]["settings"] == {"prompt": "Watercolour"}


async def test_a_slot_is_tried(keyboard: Keyboard, tmp_path: Path) -> None:
    page = keyboard.page
    await keyboard.press(page.get_by_role("link", name="Oil painting", exact=True))
    await keyboard.press(page.get_by_role("tab", name="Configuration"), "ArrowRight")
    await expect(page.get_by_role("tab", name="Try it")).to_be_focused()
    async with page.expect_file_chooser() as chooser:
        await keyboard.press(page.get_by_role("button", name="Choose a photo").first)
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(demo_photo("coffee"))
    await (await chooser.value).set_files(photo)
    await expect(page.get_by_role("region", name="Result").get_by_text("Done", exact=True)).to_be_visible()


async def test_why_a_photo_failed(keyboard: Keyboard) -> None:
    page = keyboard.page
    await keyboard.press(page.get_by_role("link", name="Jobs", exact=True))
    row = page.get_by_role("row").filter(has_text="Provider failed").first
    await keyboard.press(row.get_by_role("link").first)
    await expect(page.get_by_text("IMAGE_SAFETY", exact=False).first).to_be_visible()


async def test_an_earlier_picture_goes_to_a_phone_and_to_paper(keyboard: Keyboard) -> None:
    page = keyboard.page
    await keyboard.press(page.get_by_role("link", name="Pictures", exact=True))
    await keyboard.press(page.get_by_role("button", name=re.compile("View the picture of")).first)
    await expect(page.get_by_role("img", name="QR code of the picture's link")).to_be_visible()
    await keyboard.press(page.get_by_role("dialog").get_by_role("button", name="Print"))
    await page.wait_for_function("() => window.printed === 1")
    await page.evaluate("() => dispatchEvent(new Event('afterprint'))")
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)


async def test_the_gallery_is_opened_for_tonight(keyboard: Keyboard, admin: Administrator) -> None:
    page = keyboard.page
    slot = page.get_by_role("link", name="Party frame", exact=True)
    await keyboard.press(slot.or_(page.get_by_role("button", name="Gallery Party frame")).last)
    await keyboard.press(page.get_by_role("button", name="Open for 6 hours"))
    await expect(page.get_by_role("button", name="Close it now")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    assert (await admin.get("/api/slots/slot-003"))["gallery_open_until"] is not None


async def test_the_camera_password_is_changed(keyboard: Keyboard, service: Service) -> None:
    page = keyboard.page
    await keyboard.press(page.get_by_role("link", name="Settings", exact=True))
    await keyboard.press(page.get_by_role("link", name="Passwords and keys", exact=True))
    await keyboard.press(page.get_by_role("button", name="Change the password…"))
    dialog = page.get_by_role("dialog", name="New camera password")
    await keyboard.press(dialog.get_by_role("button", name="Change it now"))
    await expect(dialog.get_by_text("The camera password is now:")).to_be_visible()
    await keyboard.press(dialog.get_by_role("button", name="I have noted it"))
    await expect(dialog).to_have_count(0)
    assert (await service.ingest()).status_code == 401


async def test_the_figures_are_exported(keyboard: Keyboard) -> None:
    page = keyboard.page
    await keyboard.press(page.get_by_role("link", name="Statistics", exact=True))
    async with page.expect_download() as download:
        await keyboard.press(page.get_by_role("button", name="Export CSV"))
    assert (await download.value).suggested_filename.endswith(".csv")


async def test_an_administrator_is_added(keyboard: Keyboard, service: Service) -> None:
    page = keyboard.page
    await keyboard.press(page.get_by_role("link", name="Settings", exact=True))
    await keyboard.press(page.get_by_role("link", name="Administrators", exact=True))
    await keyboard.press(page.get_by_role("button", name="Add an administrator"))
    dialog = page.get_by_role("dialog", name="New administrator")
    await keyboard.write(dialog.get_by_role("textbox", name="User name"), "grace")
    await keyboard.press(dialog.get_by_role("textbox", name="User name"))
    shown = page.get_by_role("dialog", name="Password for grace")
    await expect(shown.locator("code")).to_be_visible()
    password = await shown.locator("code").inner_text()
    await keyboard.press(shown.get_by_role("button", name="I have noted it"))
    await sign_in(service, "grace", password)


async def test_a_provider_gets_a_key(keyboard: Keyboard, admin: Administrator) -> None:
    page = keyboard.page
    await keyboard.press(page.get_by_role("link", name="Settings", exact=True))
    await keyboard.press(page.get_by_role("link", name="Passwords and keys", exact=True))
    await keyboard.press(page.get_by_role("button", name="Set the key…: Painter"))
    key = page.get_by_role("dialog").get_by_label("Key", exact=True)
    await keyboard.write(key, "sk-secret-4711")
    await keyboard.press(key)
    await expect(page.get_by_role("dialog")).to_have_count(0)
    (painter,) = [one for one in (await admin.get("/api/providers"))["items"] if one["id"] == "painter"]
    assert painter["key"]["state"] == "stored"
