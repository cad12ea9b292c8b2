"""The provider `replicate` against a stand-in of its service that is strict about every field: what it does."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from photochanger.adapters.providers.replicate.provider import ReplicateProvider
from photochanger.core.domain.costs.call_cost import CallCost
from photochanger.core.domain.errors import InvalidSettings
from photochanger.core.domain.media import Picture
from photochanger.core.domain.routing.provider_check import ProviderFindingCode
from photochanger.core.domain.slots.slot import RouteEntry
from photochanger.core.ports.provider import Down, NotConfigured, Provider, ProviderContext, Rejected
from photochanger.testing import RemoteProviderContract

from tests.support import photos
from tests.support.standins.calls import FACE, PHOTO, STYLE, FixedContext, References
from tests.support.standins.host_controls import HostControls
from tests.support.standins.replicate import (
    FIELDS,
    KEY,
    LIST_MODEL,
    MODEL,
    OWN_MODEL,
    PHOTO_FIELDS,
    PICTURE,
    VERSION,
    ReplicateStandIn,
    problem,
)
from tests.support.standins.replicate_calls import PROMPT, TICK, context, edited, error_of, replicate, service
from tests.support.standins.server import Received, html

pytestmark = pytest.mark.anyio

__all__ = ["context", "replicate", "service"]

COST = CallCost(usd_micros=40_000)
OWN_FIELDS = {"model": OWN_MODEL, "photo_field": "source"}
LARGE = Picture(photos.jpeg(1000, 800, quality=97, grain=20.0), "image/jpeg", 1000, 800)


def sent(service: ReplicateStandIn) -> dict[str, Any]:
    """The input of the last prediction, its pictures by the start of their addresses."""
    (*_, work) = service.works.values()

    def short(value: Any) -> Any:
        if isinstance(value, list):
            return [short(each) for each in value]
        if isinstance(value, str) and value.startswith(service.base_url):
            return "file"
        return value[:15] if isinstance(value, str) and value.startswith("data:") else value

    return {name: short(value) for name, value in work.input.items()}


async def test_a_photo_is_sent_waited_for_and_fetched(service: ReplicateStandIn, replicate: ReplicateProvider) -> None:
    service.steps = 3
    result = await edited(replicate, {"seed": 7})
    assert result.data == PICTURE
    assert list(service.delivery.fetched.values()) == [1]
    assert (result.cost, result.model, result.seed) == (COST, MODEL, 7)
    assert [len(service.calls(call)) for call in ("create", "get", "cancel", "upload")] == [1, 4, 0, 0]
    assert sent(service) == {
        "prompt": "An oil painting of Ада & Ben",
        "input_image": "data:image/jpeg",
        "output_format": "jpg",
        "seed": 7,
    }
    (id,) = service.works
    assert result.remarks == {"prediction": id, "resumed": False, "seconds": 4.5}
    assert "prefer" not in service.calls("create")[0].headers


@pytest.mark.parametrize("model", sorted(FIELDS.keys() - {OWN_MODEL}))
async def test_every_model_of_the_list_is_called_by_its_own_fields(
    service: ReplicateStandIn, replicate: ReplicateProvider, model: str
) -> None:
    settings = {"model": model, "seed": 1, "negative_prompt": "hats", "output_format": "png"}
    result = await edited(replicate, settings, templates={"style": STYLE, "face": FACE})
    assert (result.data, result.model) == (PICTURE, model)
    fields = sent(service)
    (photo_field,) = fields.keys() & PHOTO_FIELDS
    pictures = fields[photo_field] if isinstance(fields[photo_field], list) else [fields[photo_field]]
    assert pictures == ["data:image/jpeg", "data:image/webp", "data:image/png;"][: len(pictures)]
    assert result.seed == fields.get("seed")
    ignored = {name for name in ("negative_prompt", "output_format", "seed") if name not in fields}
    assert set(result.remarks["ignored"]) == ignored | ({"face", "style"} if len(pictures) == 1 else set())


async def test_a_version_that_is_not_in_the_list_is_called_by_the_names_of_the_settings(
    service: ReplicateStandIn, replicate: ReplicateProvider
) -> None:
    settings = {**OWN_FIELDS, "seed": 3, "negative_prompt": "hats", "input": {"strength": 0.5}}
    result = await edited(replicate, settings)
    assert (result.data, result.cost, result.model) == (PICTURE, None, OWN_MODEL)
    assert sent(service) == {
        "prompt": PROMPT["prompt"],
        "source": "data:image/jpeg",
        "seed": 3,
        "negative_prompt": "hats",
        "strength": 0.5,
    }
    assert service.calls("create")[0].path == "/v1/predictions"


async def test_the_version_that_made_the_picture_is_named_where_the_service_tells_it(
    service: ReplicateStandIn, replicate: ReplicateProvider
) -> None:
    for version, model in ((VERSION, f"{MODEL}:{VERSION}"), ("hidden", MODEL), (None, MODEL), ("x" * 10**5, MODEL)):
        service.changes = {"version": version}
        assert (await edited(replicate)).model == model


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"prompt": ""}, "prompt"),
        ({"model": "flux"}, "model"),
        ({"model": "a/../b"}, "model"),
        ({"model": "a/b?x"}, "model"),
        ({"model": "a/b\n"}, "model"),
        ({"model": f"a/b:{VERSION[:-1]}"}, "model"),
        ({"model": "studio/unknown"}, "photo_field"),
        ({"wait": 61}, "wait"),
        ({"wait": -1}, "wait"),
        ({"output_format": "gif"}, "output_format"),
        ({"input": {"x y": 1}}, "input"),
        ({"temperature": 1}, "temperature"),
    ],
)
async def test_settings_that_do_not_fit_are_named(
    service: ReplicateStandIn, replicate: ReplicateProvider, settings: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidSettings) as raised:
        replicate.check_settings("image_edit", {**PROMPT, **settings})
    assert {error.field.partition(".")[0] for error in raised.value.errors} == {field}
    with pytest.raises(Rejected):
        await edited(replicate, settings)
    assert service.received == []


async def test_a_large_photo_is_uploaded_and_deleted_after_its_prediction(
    service: ReplicateStandIn, replicate: ReplicateProvider
) -> None:
    assert len(LARGE.data) * 4 // 3 > 256 * 1024
    result = await edited(replicate, {"model": LIST_MODEL}, photo=LARGE, templates={"face": FACE})
    assert result.data == PICTURE
    assert sent(service)["input_images"] == ["file", "data:image/webp"]
    await replicate.close()
    assert (len(service.deleted), service.files) == (1, {})


@pytest.mark.parametrize(("seconds", "deadline", "held"), [(33, 33, 33), (180, 180, 60), (4.5, None, 4)])
async def test_the_time_that_is_left_is_passed_on(
    service: ReplicateStandIn, replicate: ReplicateProvider, seconds: float, deadline: int | None, held: int
) -> None:
    service.seconds = int(seconds)
    try:
        await edited(replicate, {"wait": 60}, seconds=seconds)
    except Down:  # on a machine that is busy
        assert seconds < 5
    for request in service.calls("create"):
        after = request.headers.get("cancel-after", "5s").removesuffix("s")
        assert int(after) <= (deadline or 5)
        assert ("cancel-after" in request.headers) == (deadline is not None)
        assert int(request.headers["prefer"].removeprefix("wait=")) <= held


@pytest.mark.parametrize("waits", [True, False])
async def test_a_creation_that_is_held_may_end_with_or_without_the_picture(
    service: ReplicateStandIn, replicate: ReplicateProvider, waits: bool
) -> None:
    service.waits = waits
    references = References()
    assert (await edited(replicate, {"wait": 10}, references=references)).data == PICTURE
    assert (len(service.calls("get")), len(references.noted)) == (0 if waits else 2, 1)


@pytest.mark.parametrize("shape", ["string", "list", "second of the list", "data URI", "long data URI"])
async def test_a_picture_may_come_in_any_of_its_shapes(
    service: ReplicateStandIn, replicate: ReplicateProvider, shape: str
) -> None:
    expected, url = PICTURE, service.delivery.put(PICTURE, "image/png")
    if shape == "long data URI":
        expected = PICTURE + bytes(20_000)
    uri = f"data:image/png;base64,{base64.b64encode(expected).decode()}"
    outputs = {"string": url, "list": [url, "x"], "second of the list": [None, url]}
    service.changes = {"output": outputs.get(shape, [uri])}
    assert (await edited(replicate)).data == expected


async def test_a_model_that_is_billed_by_time_costs_what_it_took(service: ReplicateStandIn, tmp_path: Path) -> None:
    prices = [{"what": "second", "unit": "second", "usd": "0.000975"}]
    own = {"models": [{"id": OWN_MODEL, "prices": prices, "preset": {"photo_field": "source"}}]}
    file = tmp_path / "replicate.json"
    file.write_text(json.dumps(own))
    context = FixedContext(secret=KEY, base_url=service.base_url, private_hosts=("127.0.0.1",), models_file=file)
    replicate = ReplicateProvider(context, pace=TICK)
    settings = {"model": OWN_MODEL}
    assert (await edited(replicate, settings)).cost == CallCost(usd_micros=4388)
    for metrics in (None, [], {"predict_time": "long"}, {"predict_time": -1}, {"predict_time": True}):
        service.changes = {"metrics": metrics}
        assert (await edited(replicate, settings)).cost is None
    assert replicate.expected_cost("image_edit", {**PROMPT, **settings}) is None
    await replicate.close()


async def test_without_a_key_nothing_is_asked(
    service: ReplicateStandIn, context: FixedContext, replicate: ReplicateProvider
) -> None:
    for secret in (None, "", "line\nbreak", "schlüssel"):
        context.secret = secret
        assert type(await error_of(replicate)) is NotConfigured
    assert service.received == []


async def test_a_diagnosis_says_what_is_missing(service: ReplicateStandIn) -> None:
    used = [RouteEntry("replicate", "image_edit", PROMPT), RouteEntry("gemini", "image_edit", PROMPT)]

    async def found(*entries: RouteEntry, **changes: Any) -> list[ProviderFindingCode]:
        values = {"secret": KEY, "base_url": service.base_url, "private_hosts": ("127.0.0.1",), **changes}
        replicate = ReplicateProvider(FixedContext(**values))
        try:
            findings = await replicate.diagnose(entries or used)
        finally:
            await replicate.close()
        assert all(KEY not in finding.detail for finding in findings)
        return [finding.code for finding in findings]

    def entry(model: str) -> RouteEntry:
        return RouteEntry("replicate", "image_edit", {**PROMPT, "model": model, "photo_field": "image"})

    code = ProviderFindingCode
    assert await found() == await found(entry(OWN_MODEL)) == []
    assert await found(used[1], secret=None) == []
    assert await found(secret=None) == [code.KEY_MISSING]
    assert await found(entry(MODEL), entry("studio/unknown")) == [code.MODEL_UNKNOWN]
    service.script(problem(402, "no credit"), html(503), call="account")
    assert await found() == [code.QUOTA_EXHAUSTED]
    assert await found() == [code.UNREACHABLE]
    service.script(problem(500, "no"), call="model")
    assert await found() == [code.UNREACHABLE]
    assert await found(secret="other") == [code.KEY_REFUSED]
    service.refused.clear()
    assert service.works == {}


async def test_neither_key_nor_pictures_reach_log_or_repr(
    service: ReplicateStandIn, replicate: ReplicateProvider, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger="httpcore2")  # other providers make it quieter for the whole process
    result = await edited(replicate, photo=LARGE)
    words = f"no: Bearer {KEY} for {service.delivery.url}/files/x {'/9j/4AAQ' * 30}"
    service.script(problem(503, words), call="create")
    error = await error_of(replicate)
    said = f"{caplog.text} {error!r} {error.reason} {result!r} {result.remarks} {replicate!r} {replicate.__dict__}"
    for hidden in (KEY, "/files/", "/9j/4AAQ", "JFIF"):
        assert hidden not in said
    assert "no: Bearer [secret] for [link] […]" in error.reason


def test_what_it_says_of_itself_makes_a_form() -> None:
    info = ReplicateProvider(FixedContext()).info
    assert info.per_minute == 600
    for operation in info.operations:
        properties = operation.settings_schema["properties"]
        assert all(field["title"] and field["description"] for field in properties.values())
        assert properties["model"]["default"] == MODEL
        assert operation.settings_schema["required"] == ["prompt"]
    assert {model.id for model in info.models} == FIELDS.keys() - {OWN_MODEL}
    assert all(price.source and price.checked for price in info.prices)


class TestReplicateKeepsTheContract(RemoteProviderContract):
    """What the service relies on of any provider."""

    secret = KEY
    resumes = True
    entries = (
        RouteEntry("replicate", "image_edit", PROMPT),
        RouteEntry("replicate", "image_edit", {**PROMPT, "model": LIST_MODEL, "seed": 5, "wait": 5}),
        RouteEntry("replicate", "image_edit_large", {**PROMPT, **OWN_FIELDS}),
    )

    @pytest.fixture(autouse=True)
    async def stand_in(self) -> AsyncIterator[None]:
        async with ReplicateStandIn() as running:
            self.base_url = running.base_url
            self.controls = HostControls(running)
            yield
            assert running.delivery.refused == []

    def service(self) -> HostControls:
        return self.controls

    async def make_provider(self, context: ProviderContext) -> Provider:
        return ReplicateProvider(context, pace=TICK)


@pytest.mark.parametrize(
    ("path", "changes"),
    [
        (f"models/{MODEL}/predictions", {"Authorization": f"Token {KEY}"}),
        (f"models/{MODEL}/predictions", {"Authorization": f"Bearer {KEY}, Bearer {KEY}"}),
        (f"models/{MODEL}/predictions", {"Cancel-After": "181s"}),
        (f"models/{MODEL}/predictions", {"Cancel-After": "4s"}),
        (f"models/{MODEL}/predictions", {"Cancel-After": ""}),
        (f"models/{MODEL}/predictions", {"Prefer": "wait=61"}),
        (f"models/{MODEL}/predictions", {"content-type": "text/plain"}),
        ("models/studio/unknown/predictions", {}),
        ("predictions", {}),
        ("predictions", {"body": {"version": MODEL, "input": {}}}),
        (f"models/{MODEL}/predictions", {"body": {"input": {"prompt": "p", "input_image": "https://a.example/b"}}}),
        (f"models/{MODEL}/predictions", {"body": {"input": {"prompt": "p", "image": "x"}}}),
        (f"models/{MODEL}/predictions", {"body": {"input": {}, "webhook": "https://a.example"}}),
    ],
)
def test_the_stand_in_refuses_what_the_service_would(path: str, changes: dict[str, Any]) -> None:
    photo = f"data:image/jpeg;base64,{base64.b64encode(PHOTO.data).decode()}"
    headers = {
        "authorization": f"Bearer {KEY}",
        "content-type": "application/json",
        "cancel-after": "30s",
        **{name.lower(): value for name, value in changes.items() if name != "body"},
    }
    body = changes.get("body", {"input": {"prompt": "p", "input_image": photo}})
    request = Received(method="POST", path=f"/v1/{path}", query={}, headers=headers, body=json.dumps(body).encode())
    assert ReplicateStandIn().check(request) is not None
