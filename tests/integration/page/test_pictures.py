"""Pictures of all slots on the page: live, filtered, in the lightbox, printed, hidden, and many as one file."""

from __future__ import annotations

import io
import re
import zipfile
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import msgspec
import pytest
from playwright.async_api import Browser, Route, expect

from tests.support.administration import Administrator
from tests.support.browsing import BOOTH_HOST, PHONE, Browsing, browsing
from tests.support.evening import named_slots, pictured
from tests.support.http_server import Service
from tests.support.printed import PrintedPage, printed_pages

pytestmark = pytest.mark.anyio

_NOTE_WHAT_LEAVES = """
window.print = () => {
  window.printed = (window.printed ?? 0) + 1;
};
document.execCommand = () => {
  window.copied = document.activeElement.value;
};
"""
_SHARING = """
navigator.canShare = ({ files }) => files[0].type === "image/jpeg";
navigator.share = async ({ files, url }) => {
  window.shared = files ? { name: files[0].name, bytes: files[0].size } : { url };
};
"""
_FURTHER_PAGES = re.compile("/api/results.*cursor=")
_RATIO = 451 / 300
"""Width to height of the cat."""


async def on_paper(tab: Browsing) -> list[PrintedPage]:
    """The pages that the browser makes after a click on Print."""
    await tab.page.wait_for_function("() => window.printed === 1")
    await tab.page.evaluate("() => { window.printed = 0; }")
    return printed_pages(await tab.page.pdf(prefer_css_page_size=True))


async def entered(tab: Browsing, path: str = "/#/pictures") -> None:
    await tab.open(path)
    await tab.sign_in()


def earlier(service: Service, job_id: str, minutes: int) -> None:
    """Let a job have ended so many minutes earlier."""
    job = service.database.jobs[UUID(job_id)]
    assert job.outcome is not None
    at = job.outcome.finalized_at - timedelta(minutes=minutes)
    spec = msgspec.structs.replace(job.spec, created_at=job.created_at - timedelta(minutes=minutes))
    outcome = msgspec.structs.replace(job.outcome, finalized_at=at)
    service.database.jobs[job.id] = msgspec.structs.replace(job, spec=spec, outcome=outcome)


async def test_pictures_come_in_live_by_ten_minutes_and_are_filtered(
    tab: Browsing, service: Service, admin: Administrator
) -> None:
    page = tab.page
    tiles = page.locator(".tile")
    await named_slots(admin)
    await entered(tab)
    await expect(page.get_by_role("heading", name="Pictures", level=1)).to_be_visible()
    await expect(page.get_by_text("No pictures yet.")).to_be_visible()
    await expect(page.get_by_text("Live", exact=True)).to_be_visible()
    assert await tab.violations() == []
    old = await pictured(service, "slot-005", "portrait")
    await expect(tiles).to_have_count(1)
    earlier(service, old, 30)
    await pictured(service, "slot-006", "cat")
    await expect(tiles).to_have_count(2)
    await pictured(service, "slot-007", "pavilion")
    await expect(tiles).to_have_count(3)
    await expect(tiles.nth(0)).to_contain_text("Watercolour corner")
    await expect(tiles.nth(2)).to_contain_text("Pencil portraits")
    assert await page.locator(".pictures-group").count() >= 2
    assert await tab.violations() == []
    await tab.photograph("pictures")

    await page.get_by_role("button", name="Last 15 min").click()
    await expect(tiles).to_have_count(2)
    await expect(page.get_by_role("button", name="Last 15 min")).to_have_attribute("aria-pressed", "true")
    await page.get_by_role("button", name="Last hour").click()
    await expect(tiles).to_have_count(3)
    await page.get_by_label("Slot", exact=True).select_option("Pop art wall")
    await expect(tiles).to_have_count(1)
    assert page.url.endswith("#/pictures?range=hour&slot=slot-006")
    await page.reload()
    await expect(tiles).to_have_count(1)
    await page.get_by_label("Slot", exact=True).select_option("All slots")
    await expect(tiles).to_have_count(3)
    assert (await admin("DELETE", f"/api/jobs/{old}")).status_code == 204
    await expect(tiles).to_have_count(2)


async def test_a_picture_is_viewed_printed_and_hidden(
    service: Service, admin: Administrator, chromium: Browser
) -> None:
    await named_slots(admin)
    first = await pictured(service, "slot-005", "portrait")
    second = await pictured(service, "slot-006", "cat")
    async with browsing(chromium, f"http://{BOOTH_HOST}:{service.port}") as tab:
        page = tab.page
        await page.add_init_script(_NOTE_WHAT_LEAVES)
        await entered(tab)
        await page.get_by_role("button", name=re.compile("View the picture of .*Pop art wall")).click()
        dialog = page.get_by_role("dialog")
        await expect(dialog.get_by_role("heading", name="Picture 1 of 2")).to_be_visible()
        await expect(dialog.get_by_role("img", name="QR code of the picture's link")).to_be_visible()
        await page.keyboard.press("ArrowRight")
        await expect(dialog.get_by_role("heading", name="Picture 2 of 2")).to_be_visible()
        await expect(dialog.get_by_role("link", name="Download")).to_have_attribute("href", re.compile(first))
        assert await tab.violations() == []
        await tab.photograph("pictures-lightbox", whole=False)

        await page.keyboard.press("ArrowLeft")
        await dialog.get_by_role("button", name="Print").click()
        (paper,) = await on_paper(tab)
        ((width, height),) = paper.pictures
        assert not paper.has_text
        assert width == pytest.approx(paper.size[0], abs=0.5)  # the paper is turned as the picture is
        assert width / height == pytest.approx(_RATIO, rel=0.01)
        await expect(page.locator(".print-alone")).to_have_count(0)
        await dialog.get_by_role("button", name="Copy link").click()
        await tab.said("Link copied")
        await expect(dialog.get_by_role("button", name="Share")).to_have_count(0)  # the address is not secure
        assert await page.evaluate("window.copied") == f"{tab.base_url}/public/results/{second}"
        await page.keyboard.press("ArrowRight")

        await dialog.get_by_role("button", name="Hide from galleries").click()
        await expect(dialog.get_by_role("button", name="Show in galleries")).to_be_visible()
        await expect(dialog.get_by_role("status")).to_contain_text("The guest's own link still opens it.")
        listed = await admin.get("/api/results?visibility=hidden")
        assert [item["job_id"] for item in listed["items"]] == [first]
        await page.keyboard.press("Escape")
        await expect(page.locator(".tile-hidden")).to_have_count(1)
        assert await tab.violations() == []
        shown = await admin("PUT", f"/api/results/{first}/visibility", json_body={"visibility": "shown"})
        assert shown.status_code == 200
        await expect(page.locator(".tile-hidden")).to_have_count(0)


async def test_a_picture_is_shared_and_its_guest_erased(
    service: Service, admin: Administrator, chromium: Browser
) -> None:
    await named_slots(admin)
    last = await pictured(service, "slot-005", "portrait")
    second = await pictured(service, "slot-006", "cat")
    await pictured(service, "slot-007", "coffee")
    async with browsing(chromium, f"http://{BOOTH_HOST}:{service.port}") as tab:
        page = tab.page
        await page.add_init_script(_SHARING)
        await entered(tab)
        await page.locator(".tile-picture").nth(1).click()
        dialog = page.get_by_role("dialog", name=re.compile("^Picture"))
        heading = dialog.get_by_role("heading")
        await expect(heading).to_have_text("Picture 2 of 3")
        await dialog.get_by_role("button", name="Share").click()
        await page.wait_for_function("() => window.shared")
        picture = await service.client.get(f"/public/results/{second}")
        assert await page.evaluate("window.shared") == {"name": f"{second}.jpg", "bytes": len(picture.content)}
        await page.evaluate("() => { navigator.canShare = () => false; window.shared = null; }")
        await dialog.get_by_role("button", name="Share").click()
        await page.wait_for_function("() => window.shared")
        assert await page.evaluate("window.shared") == {"url": f"{tab.base_url}/public/results/{second}"}

        # What cannot be undone is asked for; the arrows rest meanwhile.
        await dialog.get_by_role("button", name="Erase").click()
        question = page.get_by_role("dialog", name="Erase this guest's picture?")
        await expect(question).to_be_visible()
        assert await tab.violations() == []
        await tab.photograph("pictures-erase", whole=False)
        await page.keyboard.press("ArrowRight")
        await page.keyboard.press("Escape")
        await expect(question).to_be_hidden()
        await expect(heading).to_have_text("Picture 2 of 3")
        assert (await service.client.get(f"/public/results/{second}")).status_code == 200
        await dialog.get_by_role("button", name="Erase").click()
        await question.get_by_role("button", name="Erase").click()
        await expect(heading).to_have_text("Picture 2 of 2")
        await expect(dialog.get_by_role("link", name="Download")).to_have_attribute("href", re.compile(last))
        assert (await service.client.get(f"/public/results/{second}")).status_code == 410

        # The same on the page of a job.
        await tab.open(f"/#/jobs/{last}")
        await page.get_by_role("button", name="View the full picture").click()
        dialog = page.get_by_role("dialog", name=re.compile("^Finished picture of"))
        await expect(dialog.get_by_role("img", name="QR code of the picture's link")).to_be_visible()
        await expect(dialog.get_by_role("button", name="Older picture")).to_have_count(0)
        await dialog.get_by_role("button", name="Hide from galleries").click()
        await expect(dialog.get_by_role("button", name="Show in galleries")).to_be_visible()
        assert (await admin.get(f"/api/results/{last}"))["visibility"] == "hidden"
        assert await tab.violations() == []
        await tab.photograph("job-lightbox", whole=False)
        await dialog.get_by_role("button", name="Erase").click()
        await question.get_by_role("button", name="Erase").click()
        await expect(page.get_by_text("The guest's picture and data were erased on")).to_be_visible()
        await expect(page.get_by_role("dialog")).to_have_count(0)


async def test_selected_pictures_are_downloaded_as_one_file(
    tab: Browsing, service: Service, admin: Administrator, tmp_path: Path
) -> None:
    await named_slots(admin)
    for slot_id, photo in (("slot-005", "portrait"), ("slot-006", "cat"), ("slot-007", "pavilion")):
        await pictured(service, slot_id, photo)
    page = tab.page
    await entered(tab)
    for slot in ("Pencil portraits", "Watercolour corner"):
        await page.get_by_label(re.compile(f"Select the picture of .*{slot}")).check()
    await expect(page.get_by_text("2 selected")).to_be_visible()
    assert await tab.violations() == []
    await tab.photograph("pictures-selected")
    async with page.expect_download() as downloading:
        await page.get_by_role("button", name="Download as ZIP").click()
    download = await downloading.value
    await download.save_as(tmp_path / "pictures.zip")
    archive = zipfile.ZipFile(io.BytesIO((tmp_path / "pictures.zip").read_bytes()))
    assert archive.testzip() is None
    assert sorted(name.split("/")[0] for name in archive.namelist()) == ["pictures.csv", "slot-005", "slot-007"]
    await page.get_by_role("button", name="Select none").click()
    await expect(page.get_by_role("button", name="Download as ZIP")).to_be_hidden()


async def test_arrows_go_through_the_whole_list_on_a_phone_in_russian(service: Service, chromium: Browser) -> None:
    for _ in range(63):
        await service.ingest("slot-002")
    base = f"http://{BOOTH_HOST}:{service.port}"
    async with browsing(chromium, base, size=PHONE, locale="ru-RU", color_scheme="dark") as tab:
        page = tab.page
        await entered(tab)
        await expect(page.locator(".tile")).to_have_count(60)
        assert not await tab.scrolls_sideways()
        assert await tab.violations() == []
        await tab.photograph("pictures-phone-ru", whole=False)
        asked: list[str] = []

        async def refuse(route: Route) -> None:
            asked.append(route.request.url)
            await route.fulfill(status=503, json={"status": 503, "code": "queue_unavailable", "detail": "Not now."})

        # A page that cannot be read is asked for once the end is near and at each step, not without end.
        await page.route(_FURTHER_PAGES, refuse)
        await page.locator(".tile-picture").nth(58).click()
        heading = page.get_by_role("dialog").get_by_role("heading")
        await expect(heading).to_have_text("Готовое фото 59 из 60+")
        await page.keyboard.press("ArrowRight")
        await expect(heading).to_have_text("Готовое фото 60 из 60+")
        assert await tab.violations() == []
        assert len(asked) in (1, 2, 3)
        await page.unroute(_FURTHER_PAGES)
        await page.keyboard.press("ArrowLeft")
        await expect(heading).to_have_text("Готовое фото 59 из 63")
        for number in (60, 61, 62, 63):
            await page.keyboard.press("ArrowRight")
            await expect(heading).to_have_text(f"Готовое фото {number} из 63")
        assert await tab.violations() == []
        await tab.photograph("pictures-lightbox-phone-ru", whole=False)
