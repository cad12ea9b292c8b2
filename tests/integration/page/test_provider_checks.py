"""Checks and prices of providers on the page of settings, in English and Russian."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, timedelta
from pathlib import Path

import msgspec
import pytest
from photochanger.core.domain.costs.call_cost import ModelInfo, ModelStatus, Price, PriceUnit
from photochanger.core.domain.media import ImageLimits
from photochanger.core.domain.routing.provider_check import ProviderFinding, ProviderFindingCode
from photochanger.core.domain.slots.slot import RouteEntry
from photochanger.core.services.providers.registry import ProviderRegistry
from playwright.async_api import Browser, expect

from tests.support.browsing import PHONE, browsing
from tests.support.http_server import ScriptedProvider, serving

pytestmark = pytest.mark.anyio

OPERATION = msgspec.structs.replace(
    ScriptedProvider.info.operations[0],
    settings_schema={"type": "object", "properties": {"model": {"type": "string", "default": "painter-2"}}},
)
DEPRECATED = ProviderFinding(
    code=ProviderFindingCode.MODEL_DEPRECATED,
    detail="The model 'painter-1' is deprecated.",
    params={"model": "painter-1", "replacement": "painter-2", "retires_on": "2026-12-24"},
)
REFUSED = ProviderFinding(code=ProviderFindingCode.KEY_REFUSED, detail="Painter refuses the key (401).")
AWAY = ProviderFinding(code=ProviderFindingCode.UNREACHABLE, detail="Its check failed: the connection broke.")


class Painter(ScriptedProvider):
    """A provider whose service says what the test lets it say."""

    info = msgspec.structs.replace(
        ScriptedProvider.info,
        id="painter",
        title="Painter",
        needs_key=True,
        operations=(OPERATION,),
        models=(
            ModelInfo(id="painter-2", title="Painter 2"),
            ModelInfo(
                id="painter-1", status=ModelStatus.RETIRED, retires_on=date(2026, 10, 2), replacement="painter-2"
            ),
        ),
        prices=(
            Price(
                model="painter-2",
                what="image output",
                unit=PriceUnit.MILLION_TOKENS,
                usd_micros=30_000_000,
                source="https://painter.example/prices",
                checked=date(2026, 11, 28),
            ),
            Price(model="painter-2", what="varnish", unit=PriceUnit.PICTURE, usd_micros=33_600),
        ),
    )

    def __init__(self) -> None:
        super().__init__()
        self.said: list[ProviderFinding] = []

    async def diagnose(self, used: Collection[RouteEntry]) -> list[ProviderFinding]:
        return self.said


async def test_a_provider_is_checked_and_its_prices_are_shown(
    tmp_path: Path, chromium: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("photochanger.core.services.providers.checks.MIN_INTERVAL", timedelta(0))
    provider = Painter()
    registry = ProviderRegistry([ScriptedProvider(), provider], limits=ImageLimits(max_pixels=100_000_000))
    async with serving(tmp_path, adapters={ProviderRegistry: registry}) as service:
        url = f"http://127.0.0.1:{service.port}"
        async with browsing(chromium, url) as tab:
            page = tab.page
            await tab.open("/#/settings?tab=secrets")
            await tab.sign_in()
            painter = page.get_by_role("listitem").filter(has=page.get_by_role("heading", name="Painter"))
            await expect(painter.get_by_text("Not checked yet")).to_be_visible()

            # A new key is checked at once.
            await painter.get_by_role("button", name="Set the key…").click()
            await page.get_by_role("dialog").get_by_label("Key", exact=True).fill("sk-secret-4711")
            await page.get_by_role("dialog").get_by_role("button", name="Save").click()
            await expect(painter.get_by_text("Works, model known: painter-2")).to_be_visible()
            await expect(painter.get_by_text("Checked ", exact=False)).to_be_visible()

            button = painter.get_by_role("button", name="Check: Painter")
            provider.said = [DEPRECATED]
            await button.click()
            await expect(painter.get_by_text("Still works")).to_be_visible()
            await expect(painter.get_by_text("The model painter-1 is deprecated.")).to_be_visible()
            await expect(painter.get_by_text("Ends on 24 Dec 2026 · Use painter-2 instead")).to_be_visible()
            provider.said = [REFUSED, AWAY]
            await button.click()
            await expect(painter.get_by_text("Does not work")).to_be_visible()
            await expect(painter.get_by_text("The service refuses the key.")).to_be_visible()
            await expect(painter.get_by_text("the connection broke", exact=False)).to_be_visible()

            await painter.get_by_text("Models and prices").click()
            await expect(painter.get_by_text("$30.00 per million tokens", exact=False)).to_be_visible()
            await expect(painter.get_by_text("varnish")).to_be_visible()
            await expect(painter.get_by_text("$0.0336 per picture", exact=False)).to_be_visible()
            await expect(painter.get_by_text("no longer offered, 2 Oct 2026 · Use painter-2 instead")).to_be_visible()
            assert await tab.violations() == []
            assert not await tab.scrolls_sideways()
            await tab.photograph("settings_provider_check")

        async with browsing(chromium, url, size=PHONE, locale="ru-RU", color_scheme="dark") as tab:
            page = tab.page
            await tab.open("/#/settings?tab=secrets")
            await tab.sign_in()
            painter = page.get_by_role("listitem").filter(has=page.get_by_role("heading", name="Painter"))
            await expect(painter.get_by_text("Не работает")).to_be_visible()
            await expect(painter.get_by_text("Сервис не принимает ключ.")).to_be_visible()
            provider.said = [DEPRECATED]
            await painter.get_by_role("button", name="Проверить: Painter").click()
            await expect(painter.get_by_text("Модель painter-1 устарела.")).to_be_visible()
            await expect(painter.get_by_text("Отключение: 24 дек. 2026 г. · Замена: painter-2")).to_be_visible()
            await painter.get_by_text("Модели и цены").click()
            await expect(painter.get_by_text("за миллион токенов", exact=False)).to_be_visible()
            assert await tab.violations() == []
            assert not await tab.scrolls_sideways()
            await tab.photograph("settings_provider_check_phone_dark", whole=False)


async def test_a_check_that_the_service_cannot_make_says_so(tmp_path: Path, chromium: Browser) -> None:
    provider = Painter()
    registry = ProviderRegistry([ScriptedProvider(), provider], limits=ImageLimits(max_pixels=100_000_000))
    async with (
        serving(tmp_path, adapters={ProviderRegistry: registry}) as service,
        browsing(chromium, f"http://127.0.0.1:{service.port}") as tab,
    ):
        page = tab.page
        await tab.open("/#/settings?tab=secrets")
        await tab.sign_in()
        await page.route("**/api/providers/painter/check", lambda route: route.abort())
        await page.get_by_role("button", name="Check: Painter").click()
        await expect(page.locator(".provider-check").get_by_role("alert")).to_be_visible()
        await expect(page.get_by_role("button", name="Check: Painter")).to_be_enabled()
