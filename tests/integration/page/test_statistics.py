"""Statistics on the page: ranges and groups, charts and tables, the file for spreadsheets, the reset."""

from __future__ import annotations

import asyncio
import csv
import random
import re
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import pytest
from photochanger.core.domain.accounts import Permission
from photochanger.core.domain.stats.summary import StatsOutcome
from playwright.async_api import Browser, Locator, Page, expect

from tests.support.administration import Administrator, token_of
from tests.support.browsing import PHONE, Browsing, browsing
from tests.support.evening import MARKUP, NAMES, count, named_slots
from tests.support.http_server import Service

pytestmark = pytest.mark.anyio


async def entered(tab: Browsing, path: str) -> None:
    """Go to a place of the page, and sign in there."""
    await tab.open(path)
    await tab.sign_in()


BERLIN = ZoneInfo("Europe/Berlin")
"""The zone of the browser."""


@pytest.fixture
async def tab(service: Service, chromium: Browser) -> AsyncIterator[Browsing]:
    """A tab of a laptop in Berlin, where clocks change."""
    async with browsing(chromium, f"http://127.0.0.1:{service.port}", timezone_id=BERLIN.key) as opened:
        yield opened


FORMULA = '=HYPERLINK("x", 1)'


def season(service: Service) -> None:
    """Evenings of the last forty days in three slots."""
    chance = random.Random(7)
    now = datetime.now(UTC)
    for days in range(40):
        for _ in range(chance.randrange(12, 60)):
            at = now - timedelta(days=days, minutes=chance.randrange(5, 20 * 60))
            outcome = chance.choices(list(StatsOutcome), [60, 3, 4, 3, 1, 1])[0]
            slot_id = chance.choice(["slot-001", "slot-005", "slot-006"])
            provider = "gemini" if slot_id == "slot-001" else "local"
            seconds = chance.lognormvariate(2.2, 0.5) if provider == "gemini" else chance.lognormvariate(-0.5, 0.4)
            count(service, at, outcome, slot_id=slot_id, provider_id=provider, seconds=seconds)


def night_of_25_hours(service: Service) -> None:
    """Four photos of slot 001 on the day on which Berlin's clocks are put back: from two to three comes twice."""
    for hour, outcome in ((0, "success"), (1, "success"), (1, "timeouts"), (20, "success")):
        at = datetime(2025, 10, 26, hour, 30, tzinfo=UTC)
        count(service, at, StatsOutcome(outcome), slot_id="slot-001", provider_id="gemini", seconds=8)


def tile(page: Page, name: str) -> Locator:
    return page.locator(".sum-tile", has=page.get_by_text(name, exact=True)).get_by_role("definition")


async def test_statistics_are_shown_for_any_range(tab: Browsing, service: Service, admin: Administrator) -> None:
    page = tab.page
    await named_slots(admin)
    await entered(tab, "/#/statistics")
    await expect(page.get_by_text("No photos in this range.")).to_be_visible()
    assert await tab.violations() == []
    season(service)
    today = datetime.now(BERLIN).date()
    begins = {midnight(today - timedelta(days=days)) for days in (28, 29)}  # midnight may pass before the click
    async with page.expect_response(lambda answer: begin_of(answer.url) in begins) as read:
        await page.get_by_role("button", name="30 days").click()
    begin = begin_of((await read.value).url)
    assert begin is not None
    await expect(page.get_by_role("img", name=re.compile("Chart:"))).to_have_count(3)
    canvas = page.locator(".chart-place canvas")
    await expect(canvas).to_have_count(3)
    total = (await admin.get(f"/api/stats/global?tz=Europe/Berlin&from={begin:%Y-%m-%dT%H:%M:%S}"))["summary"]
    await expect(tile(page, "Photos")).to_have_text(f"{total['ingest_count']:,}")
    await expect(tile(page, "Without a picture")).to_have_text(
        str(total["ingest_count"] - total["success"] - total["fallback"])
    )
    await expect(tile(page, "Fallback answers")).to_have_text(str(total["fallback"]))
    by_provider = page.get_by_role("region", name="By provider", exact=True).get_by_role("rowheader")
    await expect(by_provider).to_have_text(["gemini", "On this machine"])
    by_slot = page.get_by_role("region", name="By slot", exact=True).locator("tbody tr")
    await expect(by_slot).to_have_text([re.compile("Wedding"), re.compile("Pencil"), re.compile("Pop art")])
    await tab.photograph("statistics")
    assert await tab.violations() == []
    assert not await tab.scrolls_sideways()

    await page.locator(".u-over").first.hover()
    await expect(page.locator(".chart-period").first).to_have_text(re.compile(r"\d{4}"))
    light = await canvas.first.evaluate("(canvas) => canvas.toDataURL()")
    await page.get_by_text("admin", exact=True).click()
    await page.get_by_label("Colours").select_option("dark")
    await page.wait_for_function("(old) => document.querySelector('canvas')?.toDataURL() !== old", arg=light)
    await page.get_by_text("admin", exact=True).click()
    await tab.photograph("statistics_dark")
    assert await tab.violations() == []

    await page.get_by_text("All periods").click()
    table = page.get_by_role("region", name="All periods")
    await expect(table.locator("tbody tr")).to_have_count(30)
    assert await tab.violations() == []
    await page.get_by_label("Grouped by").select_option("Month")
    months = {(begin + timedelta(days=day)).strftime("%Y-%m") for day in range(30)}
    await expect(table.locator("tbody tr")).to_have_count(len(months))
    assert "range=30d" in page.url
    assert "group=month" in page.url
    await page.reload()
    await expect(page.get_by_label("Grouped by")).to_have_value("month")
    await expect(canvas).to_have_count(3)
    await page.get_by_role("button", name="Custom").click()
    await page.get_by_label("From", exact=True).fill("2026-01-02")
    await page.get_by_label("To", exact=True).fill("2026-01-01")
    await expect(page.get_by_text("The range must end after it starts.")).to_be_visible()
    await page.get_by_label("From", exact=True).fill("2025-01-01")
    await expect(page.get_by_text("At most 90 days can be shown.")).to_be_visible()
    await expect(page.get_by_label("From", exact=True)).to_have_value("2025-01-01")
    assert await tab.violations() == []


async def test_a_slot_hour_by_hour_as_a_file_and_after_a_reset(
    tab: Browsing, service: Service, admin: Administrator
) -> None:
    page = tab.page
    assert (await admin.change_slot("slot-001", name=FORMULA)).status_code == 200
    night_of_25_hours(service)
    day = "range=custom&from=2025-10-26&to=2025-10-26"
    await entered(tab, f"/#/statistics?{day}")
    await expect(tile(page, "Photos")).to_have_text("4")
    await expect(page.get_by_label("Grouped by").get_by_role("option")).to_have_text(["Hour", "Day", "Week", "Month"])
    await page.get_by_label("Slot", exact=True).select_option(FORMULA)
    await page.get_by_label("Grouped by").select_option("Hour")
    await expect(tile(page, "Photos")).to_have_text("4")
    await expect(tile(page, "Success rate")).to_have_text("75%")
    await page.get_by_text("All periods").click()
    rows = page.get_by_role("region", name="All periods").locator("tbody tr")
    await expect(rows).to_have_count(25)
    twice = rows.filter(has_text=", 02:00")
    await expect(twice).to_have_text([re.compile(r"CEST\s*1100%"), re.compile(r"CET\s*250%")])

    async with page.expect_download() as download:
        await page.get_by_role("button", name="Export CSV").click()
    assert (await download.value).suggested_filename == "photochanger-slot-001-2025-10-26-2025-10-27.csv"
    data = await asyncio.to_thread((await (await download.value).path()).read_bytes)
    assert data.startswith(b"\xef\xbb\xbfperiod_start,")
    assert data.count(b"\r\n") == data.count(b"\n") == 26
    lines = list(csv.DictReader(data.decode("utf-8-sig").splitlines()))
    assert [line["period_start"] for line in lines][2:4] == ["2025-10-26T02:00:00+02:00", "2025-10-26T02:00:00+01:00"]
    assert {line["slot_name"] for line in lines} == {"'" + FORMULA}
    assert [int(line["ingest_count"]) for line in lines][:5] == [0, 0, 1, 2, 0]
    assert lines[3]["success_rate"] == "0.5"

    await page.get_by_role("button", name="Reset").click()
    dialog = page.get_by_role("dialog", name=f"Reset the statistics of {FORMULA}?")
    await expect(dialog).to_contain_text("The history is kept")
    assert await tab.violations() == []
    await dialog.get_by_role("button", name="Reset the statistics").click()
    await expect(page.get_by_text("No photos in this range.")).to_be_visible()
    await expect(page.get_by_text("Counted since")).to_be_visible()
    await page.get_by_label("Slot", exact=True).select_option("All slots")
    await expect(tile(page, "Photos")).to_have_text("4")
    await expect(page.get_by_role("button", name="Reset")).to_be_hidden()


async def test_all_slots_by_hour_and_a_row_for_each_slot_in_a_russian_file(
    service: Service, admin: Administrator, chromium: Browser
) -> None:
    await named_slots(admin)
    night_of_25_hours(service)
    at = datetime(2025, 10, 26, 1, 45, tzinfo=UTC)
    count(service, at, StatsOutcome.FALLBACK, slot_id="slot-005", provider_id="local", seconds=8)
    url = f"http://127.0.0.1:{service.port}"
    async with browsing(chromium, url, locale="ru-RU", timezone_id=BERLIN.key) as tab:
        page = tab.page
        await entered(tab, "/#/statistics?range=custom&from=2025-10-25&to=2025-10-26&group=hour")
        await expect(tile(page, "Фото")).to_have_text("5")
        await expect(tile(page, "Запасные ответы")).to_have_text("1")
        await page.get_by_text("Все показатели по периодам").click()
        rows = page.get_by_role("region", name="Все показатели по периодам").locator("tbody tr")
        await expect(rows).to_have_count(49)
        table = page.get_by_role("region", name="По слотам")
        await expect(table.get_by_role("columnheader", name="Запасной ответ")).to_be_visible()
        for region in await page.get_by_role("region").all():
            assert await region.evaluate("(one) => one.scrollWidth <= one.clientWidth")
        async with page.expect_download() as download:
            await page.get_by_role("button", name="Выгрузить CSV").click()
        assert (await download.value).suggested_filename == "photochanger-statistics-2025-10-25-2025-10-27.csv"
        data = await asyncio.to_thread((await (await download.value).path()).read_bytes)
        lines = list(csv.DictReader(data.decode("utf-8-sig").splitlines(), delimiter=";"))
        columns = ("period_start", "slot_name", "ingest_count", "fallback", "success_rate")
        assert [tuple(line[name] for name in columns) for line in lines] == [
            ("2025-10-26T02:00:00+02:00", MARKUP, "1", "0", "1"),
            ("2025-10-26T02:00:00+01:00", MARKUP, "2", "0", "0,5"),
            ("2025-10-26T02:00:00+01:00", NAMES["slot-005"], "1", "1", "0"),
            ("2025-10-26T21:00:00+01:00", MARKUP, "1", "0", "1"),
        ]
        await page.get_by_role("button", name="7 дней").click()
        await expect(page.get_by_label("Группировка").get_by_role("option")).to_have_text(
            ["По дням", "По неделям", "По месяцам"]
        )


async def test_statistics_on_a_russian_phone_that_may_only_look(
    service: Service, admin: Administrator, chromium: Browser
) -> None:
    season(service)
    token = await token_of(service, Permission.STATS_READ)
    look = {"locale": "ru-RU", "color_scheme": "dark", "extra_http_headers": {"Authorization": f"Bearer {token}"}}
    async with browsing(chromium, f"http://127.0.0.1:{service.port}", size=PHONE, **look) as tab:
        page = tab.page
        await tab.open("/#/statistics?slot=slot-005&range=30d")
        await expect(page.get_by_role("heading", name="Статистика", level=1)).to_be_visible()
        await expect(page.locator(".chart-place canvas")).to_have_count(3)
        await expect(page.get_by_role("button", name="Сбросить")).to_be_hidden()
        await expect(page.get_by_role("button", name="90 дней")).to_be_hidden()
        await expect(page.get_by_label("Слот")).to_be_hidden()
        await tab.photograph("statistics_phone")
        assert await tab.violations() == []
        assert not await tab.scrolls_sideways()
        await page.get_by_text("Все показатели по периодам").click()
        assert await tab.violations() == []
        assert not await tab.scrolls_sideways()
        await page.get_by_role("button", name="Другой").click()
        await expect(page.get_by_label("По", exact=True)).to_be_visible()
        assert not await tab.scrolls_sideways()


def midnight(day: date) -> datetime:
    """Where a day begins in the browser's zone."""
    return datetime(day.year, day.month, day.day, tzinfo=BERLIN)


def begin_of(url: str) -> datetime | None:
    """The begin of the range that this address asks the statistics of all slots for."""
    parts = urlsplit(url)
    asked = parse_qs(parts.query).get("from")
    if not parts.path.endswith("/api/stats/global") or asked is None:
        return None
    return datetime.fromisoformat(asked[0]).astimezone(BERLIN)
