"""The provider `fal` against a stand-in of its queue that is strict about every field: what it does."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from photochanger.adapters.providers.fal.provider import FalProvider
from photochanger.core.domain.costs.call_cost import CallCost, Charged
from photochanger.core.domain.errors import InvalidSettings
from photochanger.core.domain.media import Picture
from photochanger.core.domain.routing.provider_check import ProviderFindingCode
from photochanger.core.domain.slots.slot import RouteEntry
from photochanger.core.ports.provider import NotConfigured, Provider, ProviderContext, Rejected
from photochanger.testing import RemoteProviderContract

from tests.support import photos
from tests.support.standins.calls import FACE, PHOTO, STYLE, FixedContext
from tests.support.standins.fal import (
    FIELDS,
    KEY,
    MODEL,
    ONE_PHOTO,
    OWN_MODEL,
    PICTURE,
    FalStandIn,
    locked,
    platform_error,
)
from tests.support.standins.fal_calls import PROMPT, TICK, context, edited, error_of, fal, service
from tests.support.standins.host_controls import HostControls
from tests.support.standins.server import Received

pytestmark = pytest.mark.anyio

__all__ = ["context", "fal", "service"]

COST = CallCost(usd_micros=45_000)
OWN_FIELDS = {"model": OWN_MODEL, "photo_field": "sources", "photo_list": True}


def sent(service: FalStandIn) -> dict[str, Any]:
    """The input of the work that was queued last, its pictures by the start of their addresses."""
    (*_, work) = service.works.values()

    def short(value: Any) -> Any:
        if isinstance(value, list):
            return [short(each) for each in value]
        return value[:15] if isinstance(value, str) and value.startswith("data:") else value

    return {name: short(value) for name, value in work.input.items()}


async def test_a_photo_is_queued_waited_for_and_fetched(service: FalStandIn, fal: FalProvider) -> None:
    service.steps = 3
    result = await edited(fal, {"seed": 7})
    assert result.data == PICTURE
    assert (result.cost, result.model, result.seed) == (COST, MODEL, 7)
    assert [len(service.calls(call)) for call in ("submit", "status", "result", "cancel")] == [1, 4, 1, 0]
    assert sent(service) == {
        "prompt": "An oil painting of Ада & Ben",
        "image_urls": ["data:image/jpeg"],
        "output_format": "jpeg",
        "seed": 7,
    }
    (id,) = service.works
    assert result.remarks == {"request_id": id, "resumed": False}
    assert list(service.delivery.fetched.values()) == [1]


@pytest.mark.parametrize("model", sorted(FIELDS.keys() - {OWN_MODEL}))
async def test_every_model_of_the_list_is_called_by_its_own_fields(
    service: FalStandIn, fal: FalProvider, model: str
) -> None:
    settings = {"model": model, "seed": 1, "negative_prompt": "hats", "output_format": "png"}
    result = await edited(fal, settings, templates={"style": STYLE, "face": FACE})
    assert (result.data, result.model) == (PICTURE, model)
    assert result.cost is not None
    assert result.cost.usd_micros > 0
    fields = sent(service)
    pictures = fields.get("image_urls", [fields.get("image_url")])
    assert pictures == ["data:image/jpeg", "data:image/webp", "data:image/png;"][: len(pictures)]
    ignored = set(result.remarks.get("ignored", []))
    assert ignored == {name for name in ("negative_prompt", "output_format") if name not in fields} | (
        {"face", "style"} if len(pictures) == 1 else set()
    )


async def test_a_model_that_is_not_in_the_list_is_called_by_the_names_of_the_settings(
    service: FalStandIn, fal: FalProvider
) -> None:
    settings = {
        **OWN_FIELDS,
        "seed": 3,
        "negative_prompt": "hats",
        "output_format": "webp",
        "input": {"strength": 0.5},
    }
    result = await edited(fal, settings, templates={"style": STYLE})
    assert (result.data, result.cost, result.model) == (PICTURE, None, OWN_MODEL)
    assert sent(service) == {
        "prompt": PROMPT["prompt"],
        "sources": ["data:image/jpeg", "data:image/png;"],
        "seed": 3,
        "negative_prompt": "hats",
        "output_format": "webp",
        "strength": 0.5,
    }
    assert fal.expected_cost("image_edit", {**PROMPT, **settings}) is None


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"prompt": ""}, "prompt"),
        ({"model": "../admin"}, "model"),
        ({"model": "flux"}, "model"),
        ({"model": "fal-ai/flux?x=1"}, "model"),
        ({"model": "fal-ai/flux\n"}, "model"),
        ({"model": "studio/unknown"}, "photo_field"),
        ({"photo_field": "no field"}, "photo_field"),
        ({"seed": -1}, "seed"),
        ({"output_format": "gif"}, "output_format"),
        ({"input": {"x y": 1}}, "input"),
        ({"input": {"x": None}}, "input"),
        ({"temperature": 1}, "temperature"),
    ],
)
async def test_settings_that_do_not_fit_are_named(
    service: FalStandIn, fal: FalProvider, settings: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidSettings) as raised:
        fal.check_settings("image_edit", {**PROMPT, **settings})
    assert {error.field for error in raised.value.errors} == {field}
    with pytest.raises(Rejected):
        await edited(fal, settings)
    assert fal.expected_cost("image_edit", {**PROMPT, **settings}) is None
    assert service.received == []


def test_a_model_that_bills_the_photo_gets_no_large_one() -> None:
    fal = FalProvider(FixedContext())
    with pytest.raises(InvalidSettings) as raised:
        fal.check_settings("image_edit_large", PROMPT)
    (error,) = raised.value.errors
    assert error.field == "model"
    for model in error.params["allowed"]:
        fal.check_settings("image_edit_large", {**PROMPT, "model": model})
    assert {MODEL, "fal-ai/flux-2/turbo/edit"}.isdisjoint(error.params["allowed"])


def test_photos_are_as_small_as_what_is_billed_unless_a_larger_one_is_wanted() -> None:
    info = FalProvider(FixedContext()).info
    pixels = {operation.id: operation.needs.max_pixels for operation in info.operations}
    assert pixels == {"image_edit": 1024 * 1024, "image_edit_large": 4 * 1024 * 1024}


async def test_what_a_call_costs_follows_pictures_resolution_and_units(service: FalStandIn, fal: FalProvider) -> None:
    def expected(operation_id: str = "image_edit", **settings: Any) -> int:
        cost = fal.expected_cost(operation_id, {**PROMPT, **settings})
        assert cost is not None
        assert (cost.exact, cost.charged) == (False, Charged.YES)
        return cost.usd_micros

    assert expected() == 45_000
    assert expected("image_edit_large", model=ONE_PHOTO) == 40_000
    assert fal.expected_cost("image_edit_large", PROMPT) is None
    assert expected(model="fal-ai/flux-2/turbo/edit") == 16_000
    assert expected(model="fal-ai/nano-banana-2/edit") == 80_000
    assert expected(model="fal-ai/nano-banana-2/edit", input={"resolution": "2K"}) == 120_000
    large = Picture(photos.jpeg(1200, 900), "image/jpeg", 1200, 900)
    service.max_pixels = 4 * 1024 * 1024
    assert (await edited(fal, photo=large, templates={"face": FACE})).cost == CallCost(usd_micros=30_000 + 3 * 15_000)


@pytest.mark.parametrize(
    ("units", "cost", "remark"),
    [
        ("1.5", CallCost(usd_micros=120_000, exact=True), 1.5),
        ("many", CallCost(usd_micros=80_000), None),
        ("nan", CallCost(usd_micros=80_000), None),
        ("-1", CallCost(usd_micros=80_000), None),
        ("9" * 400, CallCost(usd_micros=80_000), None),
    ],
)
async def test_the_service_s_own_count_of_units_is_exact(
    service: FalStandIn,
    fal: FalProvider,
    monkeypatch: pytest.MonkeyPatch,
    units: str,
    cost: CallCost,
    remark: float | None,
) -> None:
    model = "fal-ai/nano-banana-2/edit"
    monkeypatch.setitem(FIELDS, model, FIELDS["google/nano-banana-2.1/edit"])
    service.units = units
    result = await edited(fal, {"model": model})
    assert (result.cost, result.remarks.get("billed_units")) == (cost, remark)
    assert (await edited(fal)).cost == COST  # what a unit of this model costs is not known


async def test_the_operator_s_models_are_used(service: FalStandIn, tmp_path: Path) -> None:
    own = {
        "default_model": OWN_MODEL,
        "models": [
            {
                "id": OWN_MODEL,
                "prices": [{"what": "picture", "unit": "picture", "usd": "0.5"}],
                "preset": {"photo_field": "sources", "many": True, "input": {"strength": 0.25}},
            }
        ],
    }
    file = tmp_path / "fal.json"
    file.write_text(json.dumps(own))
    context = FixedContext(secret=KEY, base_url=service.url, private_hosts=("127.0.0.1",), models_file=file)
    fal = FalProvider(context, pace=TICK)
    result = await edited(fal)
    assert (result.model, result.cost) == (OWN_MODEL, CallCost(usd_micros=500_000))
    assert sent(service) == {"prompt": PROMPT["prompt"], "sources": ["data:image/jpeg"], "strength": 0.25}
    await fal.close()


async def test_the_time_that_is_left_is_passed_on(service: FalStandIn, fal: FalProvider) -> None:
    service.seconds = 33
    await edited(fal, seconds=33)
    header = float(service.calls("submit")[-1].headers["x-fal-request-timeout"])
    assert 1 < header <= 33


@pytest.mark.parametrize("shape", ["image", "text", "texts", "data URI", "long data URI", "second of two"])
async def test_a_picture_may_come_in_any_of_its_shapes(service: FalStandIn, fal: FalProvider, shape: str) -> None:
    def uri(data: bytes) -> str:
        return f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"

    expected = PICTURE
    if shape.startswith("text"):
        url = service.delivery.put(PICTURE, "image/jpeg")
        service.result = {"images": [url] if shape == "texts" else None, "image": url}
    elif shape == "image":
        service.result = {"images": None, "image": {"url": service.delivery.put(PICTURE, "image/jpeg")}}
    elif shape == "second of two":
        service.result = {"images": [{"url": None}, {"url": service.delivery.put(PICTURE, "image/jpeg")}]}
    else:
        expected = PICTURE if shape == "data URI" else PICTURE + bytes(20_000)
        service.result = {"images": [{"url": uri(expected), "content_type": "image/jpeg"}]}
    assert (await edited(fal)).data == expected


async def test_without_a_key_nothing_is_asked(service: FalStandIn, context: FixedContext, fal: FalProvider) -> None:
    for secret in (None, "", "line\nbreak", "schlüssel"):
        context.secret = secret
        assert type(await error_of(fal)) is NotConfigured
    assert service.received == []


async def test_a_diagnosis_says_what_is_missing(service: FalStandIn, context: FixedContext) -> None:
    used = [RouteEntry("fal", "image_edit", PROMPT), RouteEntry("gemini", "image_edit", PROMPT)]

    async def found(*entries: RouteEntry, **changes: Any) -> list[ProviderFindingCode]:
        values = {"secret": KEY, "base_url": service.url, "private_hosts": ("127.0.0.1",), **changes}
        fal = FalProvider(FixedContext(**values))
        try:
            findings = await fal.diagnose(entries or used)
        finally:
            await fal.close()
        assert all(KEY not in finding.detail for finding in findings)
        return [finding.code for finding in findings]

    def entry(model: str) -> RouteEntry:
        return RouteEntry("fal", "image_edit", {**PROMPT, "model": model, "photo_field": "image_url"})

    code = ProviderFindingCode
    assert await found() == await found(entry(OWN_MODEL)) == []
    assert await found(used[1], secret=None) == []
    assert await found(secret=None) == [code.KEY_MISSING]
    assert await found(secret="line\nbreak") == [code.KEY_UNREADABLE]
    assert await found(entry("fal-ai/nano-banana-2/edit")) == [code.MODEL_DEPRECATED]
    service.script(locked(), platform_error(503, "runner_scheduling_failure"), call="status")
    assert await found() == [code.QUOTA_EXHAUSTED]
    assert await found() == [code.UNREACHABLE]
    assert await found(secret="other") == [code.KEY_REFUSED]
    service.refused.clear()
    assert service.works == {}


async def test_neither_key_nor_pictures_reach_log_or_repr(
    service: FalStandIn, fal: FalProvider, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger="httpcore2")  # other providers make it quieter for the whole process
    result = await edited(fal)
    words = f"no: Key {KEY} for {service.delivery.url}/files/x {'/9j/4AAQ' * 30}"
    service.script(platform_error(503, "runner_disconnected", words), call="submit")
    error = await error_of(fal)
    said = f"{caplog.text} {error!r} {error.reason} {result!r} {result.remarks} {fal!r} {fal.__dict__}"
    for hidden in (KEY, "/files/", "/9j/4AAQ", "JFIF"):
        assert hidden not in said
    assert "no: Key [secret] for [link] […]" in error.reason


async def test_calls_run_side_by_side_and_after_closing(service: FalStandIn, fal: FalProvider) -> None:
    service.steps = 3
    results = await asyncio.gather(*(edited(fal) for _ in range(4)))
    assert [result.data for result in results] == [PICTURE] * 4
    await fal.close()
    assert (await edited(fal)).data == PICTURE
    await fal.close()
    await fal.close()


def test_what_it_says_of_itself_makes_a_form() -> None:
    info = FalProvider(FixedContext()).info
    assert msgspec.json.decode(msgspec.json.encode(info), type=type(info)) == info
    for operation in info.operations:
        properties = operation.settings_schema["properties"]
        assert all(field["title"] and field["description"] for field in properties.values())
        assert properties["model"]["default"] == MODEL
        assert operation.settings_schema["required"] == ["prompt"]
    assert {price.model for price in info.prices} == {model.id for model in info.models}
    assert all(price.source and price.checked for price in info.prices)


class TestFalKeepsTheContract(RemoteProviderContract):
    """What the service relies on of any provider."""

    secret = KEY
    resumes = True
    entries = (
        RouteEntry("fal", "image_edit", PROMPT),
        RouteEntry("fal", "image_edit", {**PROMPT, "model": ONE_PHOTO, "seed": 5}),
        RouteEntry(
            "fal", "image_edit_large", {**PROMPT, "model": OWN_MODEL, "photo_field": "sources", "photo_list": True}
        ),
    )

    @pytest.fixture(autouse=True)
    async def stand_in(self) -> AsyncIterator[None]:
        async with FalStandIn() as running:
            self.base_url = running.url
            self.controls = HostControls(running)
            yield
            assert running.delivery.refused == []

    def service(self) -> HostControls:
        return self.controls

    async def make_provider(self, context: ProviderContext) -> Provider:
        return FalProvider(context, pace=TICK)


@pytest.mark.parametrize(
    ("path", "changes"),
    [
        (MODEL, {"Authorization": f"Bearer {KEY}"}),
        (MODEL, {"Authorization": f"Key {KEY}, Key {KEY}"}),
        (MODEL, {"x-fal-no-retry": "0"}),
        (MODEL, {"x-fal-request-timeout": "1"}),
        (MODEL, {"x-fal-request-timeout": "181"}),
        (MODEL, {"x-fal-store-io": "1"}),
        (MODEL, {"content-type": "text/plain"}),
        ("fal-ai/unknown", {}),
        (MODEL, {"body": {"prompt": "p"}}),
        (MODEL, {"body": {"prompt": "p", "image_urls": ["https://a.example/b.jpg"]}}),
        (MODEL, {"body": {"prompt": "p", "image_urls": ["data:image/png;base64,/9j/4AAQ"]}}),
        (ONE_PHOTO, {"body": {"prompt": "p", "image_url": ["x"]}}),
        (MODEL, {"body": {"prompt": "p", "image_urls": [], "strength": 1}}),
    ],
)
async def test_the_stand_in_refuses_what_the_service_would(path: str, changes: dict[str, Any]) -> None:
    photo = f"data:image/jpeg;base64,{base64.b64encode(PHOTO.data).decode()}"
    body = changes.get("body", {"prompt": "p", "image_urls": [photo]})
    headers = {
        "authorization": f"Key {KEY}",
        "content-type": "application/json",
        "x-fal-request-timeout": "30",
        "x-fal-no-retry": "1",
        "x-fal-store-io": "0",
        "x-fal-object-lifecycle-preference": '{"expiration_duration_seconds": 60}',
        **{name.lower(): value for name, value in changes.items() if name != "body"},
    }
    request = Received(method="POST", path=f"/{path}", query={}, headers=headers, body=json.dumps(body).encode())
    assert FalStandIn().check(request) is not None
