"""The provider `bfl` against a stand-in of the BFL API on loopback: requests, pictures, costs, resuming."""

from __future__ import annotations

import asyncio
import base64
import io
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from photochanger.adapters.providers.bfl.provider import PACE, BflProvider
from photochanger.adapters.providers.bfl.requests import DOMAINS
from photochanger.adapters.providers.queued import OwnAddresses
from photochanger.core.domain.costs.call_cost import CallCost, Charged
from photochanger.core.domain.media import Picture
from photochanger.core.ports.provider import Retryable, Unavailable
from PIL import Image

from tests.support import photos
from tests.support.standins.bfl import KEY, PICTURE, BflStandIn
from tests.support.standins.bfl_calls import PROMPT, QUICK, bfl, context, edited, error_of, service
from tests.support.standins.calls import FACE, PHOTO, STYLE, FixedContext, References
from tests.support.standins.picture_origin import PictureOrigin
from tests.support.standins.server import Answer, hang, json_answer

__all__ = ["bfl", "context", "service"]

pytestmark = pytest.mark.anyio


async def test_an_edit_sends_photo_and_prompt_and_brings_the_picture(bfl: BflProvider, service: BflStandIn) -> None:
    result = await edited(bfl)
    assert (result.data, result.model, result.seed) == (PICTURE, "flux-2-pro", 4711)
    assert result.cost == CallCost(usd_micros=45_000, exact=True)
    assert result.remarks == {"input_mp": 1.0, "output_mp": 1.0, "resumed": False}
    (submit,) = service.calls("submit")
    assert submit.path == "/v1/flux-2-pro"
    assert submit.headers["x-key"] == KEY
    sent = submit.json()
    assert base64.b64decode(sent.pop("input_image")) == PHOTO.data
    assert sent == {**PROMPT, "output_format": "jpeg"}
    assert len(service.calls("poll")) == 2
    assert list(service.pictures.fetched.values()) == [1]


async def test_settings_reach_the_model_and_the_seed_comes_back(bfl: BflProvider, service: BflStandIn) -> None:
    settings: dict[str, Any] = {
        "model": "flux-2-flex",
        "seed": 77,
        "width": 1280,
        "height": 960,
        "steps": 30,
        "guidance": 4.5,
    }
    result = await edited(bfl, {**settings, "safety_tolerance": 0, "output_format": "png"})
    (work,) = service.works.values()
    assert work.model == "flux-2-flex"
    del settings["model"], work.fields["input_image"]
    assert work.fields == {**PROMPT, **settings, "safety_tolerance": 0, "output_format": "png"}
    assert (result.seed, result.model) == (77, "flux-2-flex")
    assert result.cost == CallCost(usd_micros=150_000, exact=True), "two megapixels out and one in, 5 credits each"


async def test_templates_follow_the_photo_in_the_order_of_their_keys(bfl: BflProvider, service: BflStandIn) -> None:
    result = await edited(bfl, templates={"style": STYLE, "face": FACE})
    (work,) = service.works.values()
    assert work.pictures == [PHOTO.data, FACE.data, STYLE.data]
    assert result.cost == CallCost(usd_micros=75_000, exact=True), "each picture of the input is billed"


async def test_what_a_model_does_not_take_is_left_out_and_named(bfl: BflProvider, service: BflStandIn) -> None:
    settings = {"model": "flux-kontext", "width": 512, "steps": 3, "aspect_ratio": "2:3"}
    result = await edited(bfl, settings, templates={"style": STYLE})
    (work,) = service.works.values()
    assert work.model == "flux-kontext-pro", "an old name is still known"
    assert work.fields["aspect_ratio"] == "2:3"
    assert result.remarks["ignored"] == ["width", "steps", "style"]
    assert result.cost == CallCost(usd_micros=40_000, exact=True)


async def test_every_model_of_the_data_file_is_called_as_the_service_wants_it(
    bfl: BflProvider, service: BflStandIn
) -> None:
    everything = {"seed": 1, "width": 512, "height": 512, "aspect_ratio": "1:1", "steps": 9, "guidance": 2.5}
    for model in bfl.info.models:
        result = await edited(bfl, {**everything, "model": model.id}, templates={"face": FACE, "style": STYLE})
        expected = bfl.expected_cost("image_edit", {**PROMPT, "model": model.id})
        assert (result.model, result.cost is not None, expected is not None) == (model.id, True, True)
    assert [work.model for work in service.works.values()] == [model.id for model in bfl.info.models]


async def test_the_estimate_is_what_the_service_bills_for_a_photo(bfl: BflProvider) -> None:
    for model in bfl.info.models:
        expected = bfl.expected_cost("image_edit", {**PROMPT, "model": model.id})
        billed = (await edited(bfl, {"model": model.id})).cost
        assert expected is not None
        assert billed is not None
        assert (billed.usd_micros, billed.exact, expected.exact) == (expected.usd_micros, True, False)
    larger = bfl.expected_cost("image_edit", {**PROMPT, "width": 1280, "height": 1024})
    assert larger == CallCost(usd_micros=60_000), "a part of a megapixel counts as a whole one"
    assert bfl.expected_cost("image_edit", {**PROMPT, "model": "flux-9"}) is None
    assert bfl.expected_cost("image_edit", {}) is None


async def test_a_photo_is_never_sent_with_more_than_the_megapixel_that_is_billed_once(bfl: BflProvider) -> None:
    (operation,) = bfl.info.operations
    assert operation.needs.max_pixels == 1024 * 1024
    side = Image.new("RGB", (1024, 1024), "navy")
    out = io.BytesIO()
    side.save(out, "JPEG")
    largest = Picture(out.getvalue(), "image/jpeg", 1024, 1024)
    assert (await edited(bfl, photo=largest)).cost == CallCost(usd_micros=45_000, exact=True)


async def test_types_that_it_accepts_are_accepted_by_the_service(bfl: BflProvider) -> None:
    (operation,) = bfl.info.operations
    files = {"image/jpeg": photos.jpeg(64, 48), "image/png": photos.png(64, 48), "image/webp": photos.webp(64, 48)}
    assert set(operation.needs.mimes) == set(files)
    for mime, data in files.items():
        await edited(bfl, photo=Picture(data, mime, 64, 48))


async def test_a_service_that_tells_no_cost_leaves_an_estimate(bfl: BflProvider, service: BflStandIn) -> None:
    service.tells_cost = False
    assert (await edited(bfl)).cost == CallCost(usd_micros=45_000, exact=False)
    service.script(json_answer({"id": "task-1", "polling_url": service.polling_url("task-0"), "cost": "a lot"}))
    assert (await edited(bfl)).cost == CallCost(usd_micros=45_000, exact=False)


async def test_the_operator_changes_a_price_without_a_release(service: BflStandIn, tmp_path: Path) -> None:
    service.tells_cost = False
    models = tmp_path / "bfl.json"
    change = {"id": "flux-2-pro", "prices": [{"what": "picture", "unit": "picture", "usd": "0.02"}]}
    models.write_bytes(msgspec.json.encode({"default_model": "flux-2-klein-4b", "models": [change]}))
    changed = FixedContext(secret=KEY, base_url=service.url, private_hosts=("127.0.0.1",), models_file=models)
    provider = BflProvider(changed, pace=QUICK)
    assert (await edited(provider)).model == "flux-2-klein-4b"
    assert (await edited(provider, {"model": "flux-2-pro"})).cost == CallCost(usd_micros=20_000)
    await provider.close()


# Waiting and polling.


async def test_the_state_is_asked_for_until_the_work_is_ready(bfl: BflProvider, service: BflStandIn) -> None:
    service.pending_polls = 7
    await edited(bfl)
    (work,) = service.works.values()
    assert (work.polls, work.ready, len(service.calls("submit"))) == (8, 1, 1)


async def test_it_never_asks_more_often_than_the_service_wants(service: BflStandIn, context: FixedContext) -> None:
    assert min(pause for pause, _ in zip(PACE.pauses(), range(50), strict=False)) >= timedelta(seconds=0.3)
    service.pending_polls = 2
    service.min_poll_seconds = 0.3
    provider = BflProvider(context)
    assert (await edited(provider)).data == PICTURE
    await provider.close()


@pytest.mark.parametrize("name", ["status", "state"])
async def test_the_state_has_either_name(bfl: BflProvider, service: BflStandIn, name: str) -> None:
    service.status_name = name
    assert (await edited(bfl)).data == PICTURE


async def test_work_that_is_never_ready_leaves_the_rest_of_the_window_to_another_entry(
    service: BflStandIn, context: FixedContext
) -> None:
    service.pending_polls = 10**9
    provider = BflProvider(context, pace=msgspec.structs.replace(QUICK, first=timedelta(hours=1)))
    error = await error_of(provider)
    assert type(error) is Unavailable
    assert error.cost == CallCost(usd_micros=45_000, exact=True, charged=Charged.UNKNOWN)
    assert service.calls("poll") == []
    await provider.close()


async def test_a_cancelled_call_ends_at_once_and_asks_for_nothing_more(bfl: BflProvider, service: BflStandIn) -> None:
    """The service has no call that cancels: nothing is sent to it."""
    service.script(hang, call="poll")
    task = asyncio.ensure_future(edited(bfl))
    async with asyncio.timeout(60):
        await service.until(lambda: len(service.calls("poll")) == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await service.until(lambda: service.hang_ups == 1)
    await bfl.close()
    assert (len(service.calls("submit")), len(service.calls("poll"))) == (1, 1)
    assert (await edited(bfl)).data == PICTURE


# Where the key goes.


async def test_the_polling_url_is_used_as_it_is(bfl: BflProvider, service: BflStandIn) -> None:
    await edited(bfl)
    assert {poll.query["sig"] for poll in service.calls("poll")} == {"eu1/9f+3="}


@pytest.mark.parametrize(
    ("url", "own"),
    [
        ("https://api.bfl.ai/v1/get_result?id=1", True),
        ("https://api.us1.bfl.ai/v1/get_result?id=1", True),
        ("https://bfl.ai/x", True),
        ("http://api.us1.bfl.ai/v1/get_result?id=1", False),
        ("https://api.us1.bfl.ai:8443/v1/get_result?id=1", False),
        ("https://bfl.ai.example/x", False),
        ("https://notbfl.ai/x", False),
        ("https://api.bfl.ai@evil.example/x", False),
        ("https://evil.example/?api.bfl.ai", False),
        ("ftp://api.bfl.ai/x", False),
        ("/v1/get_result?id=1", False),
    ],
)
def test_the_key_goes_to_hosts_of_bfl_alone(url: str, own: bool) -> None:
    assert OwnAddresses("https://api.bfl.ai", domains=DOMAINS).has(url) is own


async def test_a_polling_url_elsewhere_is_not_called(bfl: BflProvider, service: BflStandIn) -> None:
    async with PictureOrigin(KEY) as elsewhere:
        for url in (f"{elsewhere.url}/v1/get_result?id=1", "https://bfl.ai.example/x", "nothing", "x" * 20_000):
            service.script(json_answer({"id": "1", "polling_url": url, "cost": 4.5}), call="submit")
            references = References()
            error = await error_of(bfl, references=references)
            assert (type(error), "not its own" in error.reason) == (Unavailable, True)
            assert error.cost == CallCost(usd_micros=45_000, exact=True, charged=Charged.UNKNOWN)
            assert references.noted == []
        assert elsewhere.received == []


async def test_a_saved_reference_to_elsewhere_is_not_called_either(bfl: BflProvider) -> None:
    async with PictureOrigin(KEY) as elsewhere:
        error = await error_of(bfl, reference=f'{{"polling_url": "{elsewhere.url}/v1/get_result?id=1"}}')
        assert type(error) is Retryable
        assert elsewhere.received == []


# Resuming.


async def test_the_reference_is_saved_before_anything_is_asked(bfl: BflProvider, service: BflStandIn) -> None:
    seen: list[tuple[str, int]] = []

    async def note(reference: str) -> None:
        seen.append((reference, len(service.calls("poll"))))

    await edited(bfl, note_reference=note)
    assert seen == [(f'{{"polling_url":"{service.polling_url("task-0")}","cost":4.5}}', 0)]


async def test_saved_work_is_gone_on_with_and_costs_what_it_cost(bfl: BflProvider, service: BflStandIn) -> None:
    references = References()
    await edited(bfl, {"seed": 5}, references=references)
    (reference,) = references.noted
    result = await edited(bfl, {"seed": 5}, reference=reference, references=references)
    assert (result.data, result.seed, result.remarks["resumed"]) == (PICTURE, 5, True)
    assert result.cost == CallCost(usd_micros=45_000, exact=True)
    assert (len(service.calls("submit")), references.noted) == (1, [reference])


async def test_work_that_is_not_known_any_more_is_worth_a_fresh_call(bfl: BflProvider, service: BflStandIn) -> None:
    for gone in (None, service.state("Task not found"), service.state("Task not found", "other")):
        if gone is not None:
            service.script(gone, call="poll")
        error = await error_of(bfl, reference=f'{{"polling_url": "{service.polling_url("task-99")}"}}')
        assert type(error) is Retryable
        assert error.cost == CallCost(usd_micros=45_000, charged=Charged.UNKNOWN), "what the other worker has queued"
    assert service.calls("submit") == []
    assert len(service.calls("poll")) == 3, "asked once each"
    assert (await edited(bfl)).data == PICTURE


async def test_work_that_was_just_taken_may_be_unknown_for_a_moment(bfl: BflProvider, service: BflStandIn) -> None:
    service.script(Answer(404, b"{}"), service.state("Task not found"), call="poll")
    assert (await edited(bfl)).data == PICTURE
    service.script(*[service.state("Task not found")] * 20, call="poll")
    error = await error_of(bfl)
    assert (type(error), "Task not found" in error.reason) == (Retryable, True)
    assert error.cost == CallCost(usd_micros=45_000, exact=True, charged=Charged.UNKNOWN)
    service.forget_scripts()
    assert len(service.calls("submit")) == 2
