"""Every place and dialog by axe-core, at three widths, light and dark; 200 % zoom; no motion where it is not wanted.

Places and tabs are found as users find them, by the menu and the tabs; dialogs are listed here.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import photochanger
import pytest
from photochanger.core.domain.accounts import Permission
from playwright.async_api import Browser, expect

from tests.support.accessibility import faults, loaded, places, show
from tests.support.administration import Administrator, token_of
from tests.support.browsing import Browsing, browsing
from tests.support.evening import named_slots, pictured, refused
from tests.support.http_server import Service, serving, until

pytestmark = pytest.mark.anyio

STATIC = Path(photochanger.__file__).parent / "entrypoints/http/page/static"


class Shown(NamedTuple):
    """A dialog: the script that draws it, the place that it opens from, and the buttons that open it, in order."""

    script: str
    place: str
    buttons: tuple[str, ...]


DIALOGS = (
    Shown("parts/dialog.js", "#/slots/slot-005", ("Accepts photos",)),
    Shown("parts/dialog.js", "#/statistics?slot=slot-005", ("Reset",)),
    Shown("parts/dialog.js", "#/settings?tab=secrets", ("Revoke the key of Booth",)),
    Shown("parts/dialog.js", "#/settings?tab=storage", ("Everything that has expired",)),
    Shown("parts/job_picture.js", "#/jobs/{job}", ("Before and after",)),
    Shown("parts/picture/lightbox.js", "#/slots/slot-005?tab=results", ("View",)),
    Shown("parts/picture/lightbox.js", "#/pictures", ("View the picture of .*Pencil",)),
    Shown("parts/picture/lightbox.js", "#/jobs/{job}", ("View the full picture",)),
    Shown("pages/slots/gallery_dialog.js", "#/slots", ("^Gallery",)),
    Shown("pages/slot/templates.js", "#/slots/slot-005", ("^Choose",)),
    Shown("pages/slot/try_it/recipes.js", "#/slots/slot-005?tab=try", ("Start from a recipe",)),
    Shown("pages/settings/providers.js", "#/settings?tab=secrets", ("Limits…: Scripted",)),
    Shown("pages/settings/new_password.js", "#/settings?tab=secrets", ("Change the password",)),
    Shown("pages/settings/ingest_keys.js", "#/settings?tab=secrets", ("Add a booth",)),
    Shown("pages/settings/admin_dialogs.js", "#/settings?tab=admins", ("Add an administrator",)),
    Shown("pages/settings/admin_dialogs.js", "#/settings?tab=admins", ("Change grace",)),
    Shown("pages/settings/own_password.js", "#/settings?tab=account", ("Change your password",)),
)

ELSEWHERE = {
    "parts/sign_in.js": "test_sessions.py",
    "pages/slot/conflict.js": "test_slot.py",
    "pages/slot/try_it/comparison.js": "test_try_it.py",
    "pages/gallery/viewer.js": "test_accessibility.py",
}
"""Scripts whose dialogs take more than clicks, and the tests that open them and look for faults."""


class Evening(NamedTuple):
    service: Service
    job: str
    failed: str


@pytest.fixture(scope="module")
async def evening(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Evening]:
    """A service with photos, pictures, a failure, an open gallery, two administrators and a key of a booth."""
    async with serving(tmp_path_factory.mktemp("evening")) as service:
        admin = Administrator(service, await token_of(service, *Permission))
        await named_slots(admin)
        job = await pictured(service, "slot-005", "portrait")
        await pictured(service, "slot-006", "cat", guest="Ann")
        closes = (datetime.now(UTC) + timedelta(hours=3)).isoformat()
        assert (await admin.change_slot("slot-005", gallery_open_until=closes)).status_code == 200
        for path, body in (
            ("/api/admins", {"username": "grace", "role": "operator"}),
            ("/api/ingest-keys", {"name": "Booth"}),
        ):
            answer = await admin("POST", path, json_body=body)
            assert answer.status_code == 201, answer.text

        async def has_preview() -> bool:
            return (await admin("GET", f"/api/jobs/{job}/photo")).status_code == 200

        await until(has_preview)
        yield Evening(service, job, await refused(service))


@pytest.fixture(scope="module")
async def desk(evening: Evening, chromium: Browser) -> AsyncIterator[Browsing]:
    """A tab that is signed in and asks for reduced motion."""
    url = f"http://127.0.0.1:{evening.service.port}"
    async with browsing(chromium, url, reduced_motion="reduce") as tab:
        await tab.open()
        await tab.sign_in()
        await expect(tab.page.get_by_role("heading", name="Slots", level=1)).to_be_visible()
        yield tab


async def test_every_place(desk: Browsing, evening: Evening) -> None:
    found, seen = list[str](), list[str]()
    waiting = ["#/slots", "#/slots/slot-005", f"#/jobs/{evening.job}", f"#/jobs/{evening.failed}", "#/nowhere"]
    while waiting:
        place = waiting.pop(0)
        seen.append(place)
        await show(desk, place)
        waiting += [one for one in await places(desk) if one not in (*seen, *waiting)]
        tabs = await desk.page.get_by_role("tab").all()
        for tab in tabs:
            await tab.click()
            await loaded(desk)
            found += [f"{place} {await tab.inner_text()}: {one}" for one in await faults(desk)]
        # The address of a place with tabs shows the first of them, which has an address of its own.
        if not tabs and not any(one.startswith(f"{place}?") for one in waiting):
            found += [f"{place}: {one}" for one in await faults(desk)]
    assert found == []
    listed = re.findall(r"^  (\w+): \{ permission:", (STATIC / "main.js").read_text("utf-8"), re.MULTILINE)
    assert {f"#/{name}" for name in listed} <= set(seen)
    await show(desk, "#/settings")
    tabs_of_settings = await desk.page.locator("nav.tabs a").count()
    assert len([one for one in seen if one.startswith("#/settings?")]) == tabs_of_settings > 5


async def test_every_dialog(desk: Browsing, evening: Evening) -> None:
    page, found = desk.page, list[str]()
    dialog = page.locator("dialog[open]")
    for _, place, buttons in DIALOGS:
        await show(desk, place.format(job=evening.job))
        for name in buttons:
            named = re.compile(name)
            await page.get_by_role("button", name=named).or_(page.get_by_role("switch", name=named)).first.click()
        await expect(dialog).to_be_visible()
        await loaded(desk)
        found += [f"{place} {buttons}: {one}" for one in await faults(desk)]
        await page.keyboard.press("Escape")
        await expect(dialog, f"{place} {buttons} closes").to_have_count(0)
    assert found == []


def test_no_script_with_a_dialog_is_left_out() -> None:
    drawing = {
        str(script.relative_to(STATIC))
        for script in STATIC.rglob("*.js")
        if re.search(r"<(\$\{Dialog\}|dialog) ", script.read_text("utf-8"))
    }
    assert drawing == {one.script for one in DIALOGS} | set(ELSEWHERE)
    for test in ELSEWHERE.values():
        assert "await faults(" in Path(__file__).with_name(test).read_text("utf-8")


async def test_pages_without_sign_in(evening: Evening, chromium: Browser) -> None:
    url, found = f"http://127.0.0.1:{evening.service.port}", list[str]()
    async with browsing(chromium, url, reduced_motion="reduce") as tab:
        for path in ("/", "/gallery/slot-005", "/gallery/slot-001", "/nonsense"):
            await tab.open(path)
            await loaded(tab)
            found += [f"{path}: {one}" for one in await faults(tab)]
        await tab.open("/gallery/slot-005")
        await tab.page.get_by_role("link", name=re.compile("^Picture")).first.click()
        await expect(tab.page.get_by_role("dialog")).to_be_visible()
        found += [f"viewer: {one}" for one in await faults(tab)]
    assert found == []
