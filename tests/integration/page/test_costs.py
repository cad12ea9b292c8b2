"""Costs on the page: of a job, in statistics and their file, and the budgets in the settings."""

from __future__ import annotations

import asyncio
import csv

import pytest
from photochanger.core.domain.costs.call_cost import CallCost, Charged
from playwright.async_api import Page, expect

from tests.support.administration import Administrator
from tests.support.browsing import Browsing
from tests.support.daytime import zone_at
from tests.support.http_server import Service

pytestmark = pytest.mark.anyio


LINES = """
(tiles) => tiles.map((tile) => {
  const text = document.createRange();
  text.selectNodeContents(tile);
  return new Set([...text.getClientRects()].map(({ bottom }) => Math.round(bottom))).size;
})
"""


async def paid_photo(service: Service, *, exact: bool, usd_micros: int = 41_500) -> str:
    """The id of a job whose picture cost 4.15 cents, if nothing else is said."""
    service.provider.price = CallCost(usd_micros=30_000, charged=Charged.UNKNOWN)
    service.provider.cost = CallCost(usd_micros=usd_micros, exact=exact)
    service.provider.model, service.provider.seed = "scripted-2026-11", 2**64 - 1
    answer = await service.ingest()
    assert answer.status_code == 200
    job_id: str = answer.headers["x-job-id"]
    await service.call_noted(job_id)
    return job_id


async def open_at(tab: Browsing, path: str) -> Page:
    await tab.open(path)
    await tab.sign_in()
    return tab.page


async def test_a_job_shows_what_it_cost_and_what_made_it(tab: Browsing, service: Service) -> None:
    job_id = await paid_photo(service, exact=True)
    page = await open_at(tab, f"/#/jobs/{job_id}")
    facts = page.get_by_role("region", name="Photo details")
    await expect(facts).to_contain_text("scripted-2026-11")
    await expect(facts).to_contain_text(str(2**64 - 1))
    await expect(facts).to_contain_text("US$0.0415")
    row = page.get_by_role("region", name="Calls that may cost something").locator("tbody tr").first
    await expect(row).to_contain_text("Scripted · scripted-2026-11")
    await expect(row.get_by_role("cell")).to_have_text(["Scripted · scripted-2026-11", "US$0.0415", "yes"])
    assert await tab.violations() == []


async def test_statistics_show_costs_in_the_currency_and_export_them(
    tab: Browsing, service: Service, admin: Administrator
) -> None:
    await paid_photo(service, exact=False)
    await admin("PUT", "/api/settings", json_body={"currency": "EUR", "usd_rate": 2})
    page = await open_at(tab, "/#/statistics?range=today")
    await expect(page.locator(".sum-tile", has_text="Cost").get_by_role("definition")).to_have_text("≈ €0.083")
    await expect(page.get_by_role("region", name="By provider").locator("tbody tr td").last).to_have_text("≈ €0.083")
    await expect(page.get_by_text("Costs include test runs.")).to_be_visible()
    assert await tab.violations() == []
    async with page.expect_download() as download:
        await page.get_by_role("button", name="Export CSV").click()
    data = await asyncio.to_thread((await (await download.value).path()).read_bytes)
    (line,) = csv.DictReader(data.decode("utf-8-sig").splitlines())
    assert {name: line[name] for name in ("cost_usd", "cost_estimated_usd", "cost", "currency", "calls")} == {
        "cost_usd": "0.0415",
        "cost_estimated_usd": "0.0415",
        "cost": "0.083",
        "currency": "EUR",
        "calls": "1",
    }


async def test_figures_are_in_one_line_each(tab: Browsing, service: Service) -> None:
    await paid_photo(service, exact=False, usd_micros=345_670_000)
    page = await open_at(tab, "/#/statistics?range=today")
    figures = page.locator(".sum-tile dd")
    await expect(figures.last).to_have_text("≈ US$345.67")
    for width in (1280, 1016, 900, 768, 390):
        await page.set_viewport_size({"width": width, "height": 900})
        await tab.drawn()
        assert await figures.evaluate_all(LINES) == [1] * 8, f"{width} px"


async def test_budgets_are_set_and_watched_in_the_settings(
    tab: Browsing, service: Service, admin: Administrator
) -> None:
    noon, afternoon = zone_at(12), zone_at(13)
    assert (await admin("PUT", "/api/settings", json_body={"time_zone": noon})).status_code == 200
    await paid_photo(service, exact=True)
    page = await open_at(tab, "/#/settings?tab=costs")
    today = page.get_by_role("region", name="Today")
    await expect(today).to_contain_text("US$0.0415")
    await page.get_by_label("Budget per day").fill("a lot")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("Enter a number.")).to_be_visible()
    await page.get_by_label("Budget per day").fill("0.05")
    await page.get_by_label("When a budget is used up").select_option("Go on with the steps that cost nothing")
    await page.get_by_label("Time zone").fill("Mars/Olympus")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("Unknown time zone.")).to_be_visible()
    await page.get_by_label("Time zone").fill(afternoon)
    assert await tab.violations() == []
    await page.get_by_role("button", name="Save").click()
    await expect(today).to_contain_text("US$0.0415 of US$0.05 (83%)")
    settings = await admin.get("/api/settings")
    stored = {name: settings[name] for name in ("budget_per_day", "budget_at_limit", "time_zone", "currency")}
    assert stored == {
        "budget_per_day": 0.05,
        "budget_at_limit": "free_only",
        "time_zone": afternoon,
        "currency": "USD",
    }
    await page.get_by_label("Budget per day").fill("")
    await page.get_by_role("button", name="Save").click()
    await expect(today).not_to_contain_text("Budget of all slots")
    assert (await admin.get("/api/settings"))["budget_per_day"] is None


async def test_a_slot_keeps_and_changes_its_budget(tab: Browsing, service: Service, admin: Administrator) -> None:
    assert (await admin.change_slot(budget={"per_day": 12.5})).status_code == 200
    page = await open_at(tab, "/#/slots/slot-001")
    await expect(page.get_by_label("Budget per day")).to_have_value("12.5")
    await page.get_by_label("Name", exact=True).fill("Paid")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("heading", name="Paid", level=1)).to_be_visible()
    assert (await admin.get("/api/slots/slot-001"))["budget"] == {"per_day": 12.5}
    await page.get_by_label("Budget per day").fill("3.25")
    async with page.expect_response(lambda answer: answer.request.method == "PUT"):
        await page.get_by_role("button", name="Save").click()
    assert (await admin.get("/api/slots/slot-001"))["budget"] == {"per_day": 3.25}
