"""Trying a slot on the page: sample photos, earlier runs and their settings, two runs side by side, recipes."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from photochanger.adapters.providers.gemini.provider import GeminiProvider
from photochanger.adapters.providers.local.provider import LocalProvider
from photochanger.core.domain.media import ImageLimits
from photochanger.core.services.providers.registry import ProviderRegistry
from playwright.async_api import Browser, Page, expect

from tests.support.accessibility import faults
from tests.support.administration import Administrator
from tests.support.browsing import PHONE, Browsing, browsing
from tests.support.evening import demo_photo, pictured
from tests.support.http_server import ScriptedProvider, Service, serving, until
from tests.support.picture_work import InProcess
from tests.support.standins.calls import FixedContext

pytestmark = pytest.mark.anyio


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    """A service with a provider that needs a key and has none."""
    providers = [ScriptedProvider(), LocalProvider(InProcess()), GeminiProvider(FixedContext())]
    registry = ProviderRegistry(providers, limits=ImageLimits(max_pixels=100_000_000))
    async with serving(tmp_path, adapters={ProviderRegistry: registry}) as running:
        yield running


_MAIN = "import(document.querySelector('script[type=module]').src)"
_SETTINGS = f"{_MAIN}.then(({{ $load }}) => $load('pages/slot/try_it/settings.js'))"
_PROVIDERS = "fetch('/api/providers').then((answer) => answer.json())"
DIFFERENCES = f"""async ([one, other]) => {{
  const [{{ differences }}, {{ items }}] = await Promise.all([{_SETTINGS}, {_PROVIDERS}]);
  return differences(one, other, items).map((one) => `${{one.key[0]}}: ${{one.label}}: ${{one.one}} / ${{one.other}}`);
}}"""
"""What the page says differs between two settings; steps that one of them left out are not compared."""

CHANGED = f"async ([one, other]) => Object.values((await {_SETTINGS}).changedPart(one, other))"


def settings_of(route: list[dict[str, Any]], skipped: int) -> dict[str, Any]:
    """The settings of a run as the API gives them."""
    others = {"templates": [], "prompt_fields": [], "failure_answer": "error", "hedge": False, "late_rescue": False}
    return others | {"route": route, "skipped_steps": skipped, "branded": {"operation_id": "frame", "settings": {}}}


def stylized(look: str, **settings: Any) -> list[dict[str, Any]]:
    """A route of one step that draws on this machine."""
    return [{"provider_id": "local", "operation_id": "stylize", "settings": {"look": look, **settings}}]


async def opened(tab: Browsing, path: str) -> Page:
    await tab.open(path)
    await tab.sign_in()
    return tab.page


async def tried(admin: Administrator, slot_id: str, photo: str, route: list[dict[str, Any]]) -> str:
    """The id of a test run with a demo photo and this route, which is not stored."""
    document = await admin.get(f"/api/slots/{slot_id}") | {"route": route}
    answer = await admin.upload(f"/api/slots/{slot_id}/test-run", demo_photo(photo), slot=json.dumps(document))
    assert answer.json()["state"] == "succeeded", answer.text
    job_id: str = answer.json()["job_id"]
    return job_id


async def test_runs_are_compared_and_their_settings_used_again(
    tab: Browsing, service: Service, admin: Administrator
) -> None:
    await admin.change_slot("slot-005", name="Playground", active=True, route=stylized("sketch"))
    await tried(admin, "slot-005", "portrait", stylized("pop", strength=60))
    page = await opened(tab, "/#/slots/slot-005?tab=try")
    runs = page.get_by_role("region", name="Last runs")
    await expect(runs.get_by_role("listitem").filter(has=page.get_by_role("checkbox"))).to_have_count(0)
    await page.get_by_role("button", name="Try with: Portrait").click()
    outcome = page.get_by_role("region", name="Result")
    await expect(outcome.get_by_text("Done", exact=True)).to_be_visible()
    await expect(outcome.get_by_text("free", exact=True)).to_be_visible()
    await expect(page.get_by_role("button", name="Try again with Portrait")).to_be_visible()
    picks = runs.get_by_role("checkbox")
    await expect(picks).to_have_count(2)
    newest, oldest = runs.locator(".run").nth(0), runs.locator(".run").nth(1)
    await expect(newest.get_by_text("The same settings as in the form now.")).to_be_visible()
    await expect(newest.get_by_role("button", name="Use these settings")).to_be_disabled()
    await expect(oldest.locator(".differences")).to_contain_text("Step 1 · Look:")
    await expect(oldest.locator(".differences")).to_contain_text("Step 1 · Strength:")
    await expect(oldest.locator("del").first).to_contain_text("Pop")
    await expect(oldest.locator("ins").first).to_contain_text("Sketch")
    assert await tab.violations() == []
    await tab.photograph("slot_try_runs")

    await expect(runs.get_by_role("button", name="Compare the two chosen")).to_be_disabled()
    await picks.nth(0).check()
    await picks.nth(1).check()
    await runs.get_by_role("button", name="Compare the two chosen").click()
    dialog = page.get_by_role("dialog", name="Two runs")
    for name in ("Picture A", "Picture B"):
        await expect(dialog.get_by_role("img", name=name)).to_have_js_property("complete", True)
    await expect(dialog.locator(".differences")).to_contain_text("Step 1 · Strength:")
    assert await tab.violations() == []
    await tab.photograph("slot_try_compare", whole=False)
    await dialog.get_by_role("button", name="Photos").click()
    await expect(
        dialog.get_by_role("img", name="Photo A").or_(dialog.get_by_text("No copy of it is kept.")).first
    ).to_be_visible()
    await dialog.get_by_role("button", name="One over the other").click()
    await dialog.get_by_label("How much of A is shown").fill("30")
    await expect(dialog.locator(".compare")).to_have_css("--cut", "30%")
    assert await faults(tab) == []
    await dialog.get_by_role("button", name="Use these settings: A").click()
    await expect(dialog).to_be_hidden()
    await tab.said("The settings are in the form.")
    await expect(oldest.get_by_text("The same settings as in the form now.")).to_be_visible()
    await expect(page.get_by_role("region", name="Unsaved changes")).to_be_visible()
    assert (await admin.get("/api/slots/slot-005"))["route"] == stylized("sketch")
    await page.get_by_role("button", name="Save").click()
    await tab.said("Saved. New photos use these settings.")
    assert (await admin.get("/api/slots/slot-005"))["route"] == stylized("pop", strength=60)


async def test_a_job_is_tried_again_with_its_settings(tab: Browsing, service: Service, admin: Administrator) -> None:
    await admin.change_slot("slot-006", name="Wall", active=True, route=stylized("noir"))
    job_id = await pictured(service, "slot-006", "cat")

    async def photo_is_kept() -> bool:
        return (await admin("GET", f"/api/jobs/{job_id}/photo")).status_code == 200

    await until(photo_is_kept)
    await admin.change_slot("slot-006", route=stylized("comic"))
    page = await opened(tab, f"/#/jobs/{job_id}")
    await page.get_by_role("link", name="Try with this job's settings").click()
    await expect(page.get_by_text("The settings of a job are in the form. They are not saved.")).to_be_visible()
    await expect(page.get_by_role("link", name="View the job")).to_have_attribute("href", f"#/jobs/{job_id}")
    await expect(page.get_by_role("region", name="Unsaved changes")).to_be_visible()
    assert page.url.endswith("#/slots/slot-006?tab=try")
    await page.get_by_role("button", name="Try with: Photo of the job, small").click()
    await expect(page.locator(".run")).to_have_count(1)
    await expect(page.get_by_role("region", name="Result").get_by_text("Done", exact=True)).to_be_visible()
    await page.get_by_role("tab", name="Configuration").click()
    await expect(page.get_by_label("Look", exact=True)).to_have_value("noir")
    assert (await admin.get("/api/slots/slot-006"))["route"] == stylized("comic")
    assert await page.evaluate(DIFFERENCES, [settings_of(stylized("oil"), 1), settings_of(stylized("pop") * 2, 0)]) == [
        "1: Step 2 · Look: Oil / Pop"
    ]
    before, after = "a b c d e f g h i j k l", "a b c d e f G h i j k l"
    assert await page.evaluate(CHANGED, [before, after]) == ["… c d e f ", "g", "G", " h i j k …"]
    assert await page.evaluate(CHANGED, ["same", "same longer"]) == ["same", "", " longer", ""]


async def test_a_slot_is_started_from_a_recipe_before_its_service_has_a_key(
    service: Service, admin: Administrator, chromium: Browser
) -> None:
    async with browsing(chromium, f"http://127.0.0.1:{service.port}", size=PHONE, locale="ru-RU") as tab:
        page = await opened(tab, "/#/slots/slot-009?tab=try")
        await page.get_by_role("button", name="Начать с рецепта").click()
        dialog = page.get_by_role("dialog", name="Рецепты")
        await expect(dialog.get_by_role("listitem")).to_have_count(10)
        await expect(dialog.get_by_label("Кто делает")).to_have_value("")
        await dialog.get_by_label("Кто делает").select_option("Google Gemini (нет ключа)")
        await expect(dialog.get_by_text("Пока ключа нет, фото делает запасной шаг.")).to_be_visible()
        await dialog.locator("summary").first.click()
        await expect(dialog.get_by_text("Перепиши это фото маслом на холсте")).to_be_visible()
        assert await tab.violations() == []
        assert not await tab.scrolls_sideways()
        await tab.photograph("slot_recipes_ru", whole=False)
        await dialog.get_by_role("button", name="Взять рецепт: Комикс").click()
        await expect(dialog).to_be_hidden()
        prompt = page.get_by_label("Шаг 1 · Описание")
        await expect(prompt).to_have_value(re.compile("^Перерисуй это фото как кадр печатного комикса"))
        for run in range(2):
            await page.get_by_role("button", name=re.compile("Попробовать: Кошка|Ещё раз: Кошка")).first.click()
            await expect(page.locator(".run")).to_have_count(run + 1)
            await expect(page.locator(".run-picture[src]")).to_have_count(run + 1)
            if run == 0:
                text = await prompt.input_value()
                await prompt.fill(text.replace("яркие цвета", "нежные цвета"))
        outcome = page.get_by_role("region", name="Итог")
        await expect(
            outcome.get_by_text("Нет ключа").or_(outcome.get_by_text("Готово", exact=True)).first
        ).to_be_visible()
        change = page.locator(".run").nth(1).locator(".difference")
        await expect(change.locator("del")).to_contain_text("яркие")
        await expect(change.locator("ins")).to_contain_text("нежные")
        await expect(change).to_contain_text("… ")
        assert await tab.violations() == []
        assert not await tab.scrolls_sideways()
        await tab.photograph("slot_try_ru")
        await page.get_by_role("button", name="Сохранить").click()
        await expect(page.get_by_role("heading", name="Комикс", level=1)).to_be_visible()
    slot = await admin.get("/api/slots/slot-009")
    assert (slot["name"], slot["route"][1:]) == ("Комикс", stylized("comic"))
    assert "нежные цвета" in slot["route"][0]["settings"]["prompt"]
