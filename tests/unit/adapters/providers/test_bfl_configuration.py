"""The provider `bfl`: its key, its settings, its diagnosis, and the contract of every provider."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from photochanger.adapters.providers.bfl.provider import BflProvider
from photochanger.core.domain.costs.call_cost import FREE
from photochanger.core.domain.errors import InvalidSettings
from photochanger.core.domain.routing.provider_check import ProviderFindingCode
from photochanger.core.domain.slots.slot import RouteEntry
from photochanger.core.ports.provider import Down, NotConfigured, Provider, ProviderContext, ProviderError, Rejected
from photochanger.testing import RemoteProviderContract

from tests.support.standins.bfl import KEY, BflControls, BflStandIn
from tests.support.standins.bfl_calls import PROMPT, QUICK, bfl, context, error_of, service
from tests.support.standins.calls import FixedContext, provider_request
from tests.support.standins.server import Answer, json_answer

__all__ = ["bfl", "context", "service"]

pytestmark = pytest.mark.anyio


async def test_without_a_key_nothing_is_asked(service: BflStandIn, context: FixedContext, bfl: BflProvider) -> None:
    for secret in (None, "", "line\nbreak"):
        context.secret = secret
        error = await error_of(bfl)
        assert type(error) is NotConfigured
        assert not secret or secret not in error.reason
    assert service.received == []


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({}, "prompt"),
        ({"prompt": ""}, "prompt"),
        ({**PROMPT, "model": "../v1/credits"}, "model"),
        ({**PROMPT, "model": "flux-2-pro\n"}, "model"),
        ({**PROMPT, "width": 1000}, "width"),
        ({**PROMPT, "height": 4096}, "height"),
        ({**PROMPT, "seed": -1}, "seed"),
        ({**PROMPT, "safety_tolerance": 6}, "safety_tolerance"),
        ({**PROMPT, "output_format": "webp"}, "output_format"),
        ({**PROMPT, "input_image": "x"}, "input_image"),
    ],
)
async def test_settings_that_do_not_fit_are_named(
    bfl: BflProvider, service: BflStandIn, settings: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidSettings) as raised:
        bfl.check_settings("image_edit", settings)
    assert [error.field for error in raised.value.errors] == [field]
    with pytest.raises(Rejected):
        await bfl.process(provider_request("image_edit", settings))
    assert service.received == []


async def test_a_diagnosis_says_what_is_missing(service: BflStandIn, context: FixedContext, bfl: BflProvider) -> None:
    used = [RouteEntry("bfl", "image_edit", PROMPT), RouteEntry("bfl", "image_edit", {**PROMPT, "model": "flux-9"})]

    async def found() -> list[ProviderFindingCode]:
        return [finding.code for finding in await bfl.diagnose(used)]

    assert await found() == []
    assert await bfl.diagnose([RouteEntry("gemini", "image_edit", PROMPT)]) == []
    service.credits = 0
    assert await found() == [ProviderFindingCode.QUOTA_EXHAUSTED]
    service.script(json_answer({"credits": "many"}), Answer(503), call="credits")
    assert await found() == []
    assert await found() == [ProviderFindingCode.UNREACHABLE]
    service.credits = 0.5
    assert await found() == []
    context.secret = None
    assert await found() == [ProviderFindingCode.KEY_MISSING]
    assert service.calls("submit") == []


@pytest.mark.parametrize(
    ("status", "code"),
    [("deprecated", ProviderFindingCode.MODEL_DEPRECATED), ("retired", ProviderFindingCode.MODEL_RETIRED)],
)
async def test_a_diagnosis_names_a_model_that_ends(
    service: BflStandIn, tmp_path: Path, status: str, code: ProviderFindingCode
) -> None:
    models = tmp_path / "bfl.json"
    change = {"id": "flux-kontext-pro", "status": status, "replacement": "flux-2-pro"}
    models.write_bytes(msgspec.json.encode({"models": [change]}))
    provider = BflProvider(FixedContext(secret=KEY, base_url=service.url, models_file=models), pace=QUICK)
    used = [RouteEntry("bfl", "image_edit", {**PROMPT, "model": name}) for name in ("flux-kontext", "flux-2-max")]
    (finding,) = await provider.diagnose(used)
    assert (finding.code, finding.params["replacement"]) == (code, "flux-2-pro")
    await provider.close()


async def test_a_refused_key_is_a_matter_of_configuration() -> None:
    async with BflStandIn() as strict:
        wrong = FixedContext(secret="another-key", base_url=strict.url, private_hosts=("127.0.0.1",))
        provider = BflProvider(wrong, pace=QUICK)
        error = await error_of(provider)
        assert (type(error), error.cost) == (NotConfigured, None)
        assert "another-key" not in error.reason
        (finding,) = await provider.diagnose([RouteEntry("bfl", "image_edit", PROMPT)])
        assert finding.code is ProviderFindingCode.KEY_REFUSED
        await provider.close()


async def test_nobody_there_is_down(service: BflStandIn, bfl: BflProvider) -> None:
    await service.__aexit__()
    error: ProviderError = await error_of(bfl)
    assert (type(error), error.cost) == (Down, FREE), "nothing was sent"


class TestBflKeepsTheContract(RemoteProviderContract):
    """What the service relies on of any provider."""

    secret = KEY
    cancels = False
    resumes = True
    entries = (
        RouteEntry("bfl", "image_edit", {"prompt": "oil", "seed": 5}),
        RouteEntry("bfl", "image_edit", {"prompt": "oil", "model": "flux-kontext-max"}),
    )

    @pytest.fixture(autouse=True)
    async def stand_in(self) -> AsyncIterator[None]:
        async with BflStandIn() as running:
            self.base_url = running.url
            self.controls = BflControls(running)
            yield

    def service(self) -> BflControls:
        return self.controls

    async def make_provider(self, context: ProviderContext) -> Provider:
        return BflProvider(context, pace=QUICK)
