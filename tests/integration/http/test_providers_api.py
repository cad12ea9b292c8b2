"""`GET /api/providers` and `POST /api/providers/{id}/check`: models, prices, and the last check of each provider."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from photochanger.adapters.providers.gemini.provider import GeminiProvider
from photochanger.core.domain.accounts import Permission
from photochanger.core.domain.media import ImageLimits
from photochanger.core.services.providers.registry import ProviderRegistry

from tests.support.administration import Administrator, described, token_of
from tests.support.http_server import ScriptedProvider, Service, serving
from tests.support.standins import gemini
from tests.support.standins.calls import FixedContext
from tests.support.standins.gemini import GeminiStandIn

pytestmark = pytest.mark.anyio


@pytest.fixture
async def standin() -> AsyncIterator[GeminiStandIn]:
    async with GeminiStandIn() as standin:
        yield standin


@pytest.fixture
async def service(tmp_path: Path, standin: GeminiStandIn) -> AsyncIterator[Service]:
    provider = GeminiProvider(FixedContext(secret=gemini.KEY, base_url=standin.url))
    registry = ProviderRegistry([ScriptedProvider(), provider], limits=ImageLimits(max_pixels=100_000_000))
    async with serving(tmp_path, adapters={ProviderRegistry: registry}) as running:
        yield running


async def test_a_check_asks_the_service_and_is_listed(service: Service, standin: GeminiStandIn) -> None:
    admin = Administrator(service, await token_of(service, *Permission))
    before = {one["id"]: one for one in (await admin.get("/api/providers"))["items"]}
    assert before["gemini"]["check"] is None
    response = await admin("POST", "/api/providers/gemini/check")
    assert response.status_code == 200, response.text
    check = response.json()
    assert (check["works"], check["models"], check["findings"]) == (True, [gemini.MODEL], [])
    assert standin.calls() == [], "a check makes no picture"
    after = {one["id"]: one for one in (await admin.get("/api/providers"))["items"]}
    assert after["gemini"]["check"] == check
    assert after["scripted"]["check"] is None


async def test_models_and_prices_are_listed(service: Service) -> None:
    admin = Administrator(service, await token_of(service, Permission.SLOTS_READ))
    (listed,) = [one for one in (await admin.get("/api/providers"))["items"] if one["id"] == "gemini"]
    old = next(model for model in listed["models"] if model["id"] == "gemini-3.1-flash-image")
    assert (old["status"], old["replacement"]) == ("deprecated", gemini.MODEL)
    prices = [price for price in listed["prices"] if (price["model"], price["what"]) == (gemini.MODEL, "image output")]
    (price,) = prices
    assert (price["unit"], price["usd_micros"]) == ("million_tokens", 30_000_000)
    assert price["source"].startswith("https://")
    model = listed["operations"][0]["settings_schema"]["properties"]["model"]
    assert model["default"] == gemini.MODEL
    assert "gemini-2.5-flash-image" not in model["examples"]


async def test_what_is_wrong_has_a_code_and_its_parameters(service: Service, standin: GeminiStandIn) -> None:
    admin = Administrator(service, await token_of(service, *Permission))
    models = ("gemini-3.1-flash-image", "gemini-2.5-flash-image", "gemini-0-image")
    entry = {"provider_id": "gemini", "operation_id": "image_edit"}
    route = [entry | {"settings": {"prompt": "x", "model": model}} for model in models]
    await admin.change_slot(route=route)
    standin.models.append("gemini-3.1-flash-image")
    check = (await admin("POST", "/api/providers/gemini/check")).json()
    assert not check["works"]
    assert {finding["params"]["model"]: finding["code"] for finding in check["findings"]} == {
        "gemini-3.1-flash-image": "model_deprecated",
        "gemini-2.5-flash-image": "model_retired",
        "gemini-0-image": "model_unknown",
    }


async def test_a_check_needs_the_right_to_change_settings_and_a_provider(service: Service) -> None:
    viewer = Administrator(service, await token_of(service, Permission.SLOTS_READ, Permission.SETTINGS_READ))
    described(await viewer("POST", "/api/providers/gemini/check"), 403, "permission_denied")
    admin = Administrator(service, await token_of(service, Permission.SETTINGS_WRITE))
    described(await admin("POST", "/api/providers/gemnii/check"), 404, "provider_not_found")
