"""The provider `comfyui` against a strict stand-in of its server: what it sends, and what it brings."""

from __future__ import annotations

import json
from typing import Any, ClassVar

import pytest
from photochanger.adapters.providers.comfyui.provider import ComfyuiProvider
from photochanger.core.domain.costs.call_cost import CallCost
from photochanger.core.domain.routing.provider_check import ProviderFindingCode
from photochanger.core.domain.slots.slot import RouteEntry
from photochanger.core.ports.provider import NotConfigured, Provider, ProviderContext
from photochanger.testing import ProviderContract

from tests.support.standins import comfyui as standin
from tests.support.standins.calls import FACE, PHOTO, STYLE, FixedContext, References
from tests.support.standins.comfyui import PICTURE, ComfyuiStandIn, Generation, image
from tests.support.standins.comfyui_calls import KEY, TICK, comfyui, error_of, made, service, settings
from tests.support.standins.comfyui_nodes import workflow

pytestmark = pytest.mark.anyio

__all__ = ["comfyui", "service"]


async def test_the_photo_goes_through_the_workflow(service: ComfyuiStandIn, comfyui: ComfyuiProvider) -> None:
    result = await made(comfyui, settings(prompt="noir, {x}", negative_prompt="haze"))
    assert result.data == PICTURE
    assert service.uploads[service.inputs("2")["image"]] == PHOTO.data
    assert service.uploads[service.inputs("9")["image"]] == STYLE.data
    assert service.inputs("3")["text"] == "noir, {x}"
    assert service.inputs("4")["text"] == "haze"
    assert service.inputs("6")["seed"] == result.seed
    (prompt_id,) = service.graphs
    assert result.remarks == {
        "prompt_id": prompt_id,
        "resumed": False,
        "nodes": 10,
        "cached_nodes": 1,
        "ran_ms": 2500,
    }


async def test_the_file_is_the_one_that_the_service_names(service: ComfyuiStandIn, comfyui: ComfyuiProvider) -> None:
    await made(comfyui)
    assert " (1)." in service.inputs("2")["image"]
    service.renames = False
    await made(comfyui)
    assert " (1)." not in service.inputs("2")["image"]


async def test_seeds_are_fresh_unless_one_is_set(service: ComfyuiStandIn, comfyui: ComfyuiProvider) -> None:
    seeds = {(await made(comfyui)).seed for _ in range(3)}
    assert len(seeds) == 3
    service.fixed_seed = 4711
    assert [(await made(comfyui, settings(seed=4711))).seed for _ in range(2)] == [4711, 4711]


async def test_no_seed_is_reported_where_the_workflow_takes_none(
    service: ComfyuiStandIn, comfyui: ComfyuiProvider
) -> None:
    graph = workflow(style=False) | {
        "8": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "x"}}
    }
    assert (await made(comfyui, settings(graph))).seed is None
    assert set(*service.graphs.values()) == {"2", "8"}


async def test_a_template_that_the_workflow_has_no_place_for_is_not_sent(
    service: ComfyuiStandIn, comfyui: ComfyuiProvider
) -> None:
    await made(comfyui, templates={"face": FACE})
    assert service.inputs("9")["image"] == "style.png"
    assert len(service.uploads) == 1


async def test_the_id_is_saved_before_the_work_is_queued(service: ComfyuiStandIn, comfyui: ComfyuiProvider) -> None:
    noted: list[tuple[str, int]] = []

    async def note(reference: str) -> None:
        noted.append((reference, len(service.calls("prompt"))))

    result = await made(comfyui, note_reference=note)
    (prompt_id,) = service.graphs
    assert noted == [(f"{prompt_id}:{result.seed}", 0)]


async def test_an_id_that_the_service_chose_is_saved_after_it(
    service: ComfyuiStandIn, comfyui: ComfyuiProvider
) -> None:
    service.keeps_ids, references = False, References()
    result = await made(comfyui, references=references)
    assert references.noted[1:] == [f"chosen-0:{result.seed}"]


async def test_work_of_another_worker_is_waited_for(service: ComfyuiStandIn, comfyui: ComfyuiProvider) -> None:
    references = References()
    first = await made(comfyui, references=references)
    service.history[first.remarks["prompt_id"]] = service.succeeded(first.remarks["prompt_id"])
    again = await made(comfyui, reference=references.noted[0], references=references)
    assert (again.data, again.seed, again.remarks["resumed"]) == (PICTURE, first.seed, True)
    assert len(service.calls("prompt")) == len(references.noted) == 1
    assert len(service.calls("upload")) == 2


@pytest.mark.parametrize("reference", ["11111111-2222-4333-8444-555555555555:7", "of another kind", "x:y", ""])
async def test_work_that_is_not_known_is_queued(
    service: ComfyuiStandIn, comfyui: ComfyuiProvider, reference: str
) -> None:
    references = References()
    result = await made(comfyui, reference=reference, references=references)
    assert (result.data, result.remarks["resumed"]) == (PICTURE, False)
    assert len(references.noted) == 1


async def test_the_place_in_the_queue_is_a_remark(service: ComfyuiStandIn, comfyui: ComfyuiProvider) -> None:
    service.work_for_another_guest("second-guest")
    service.script(*[standin_free_after(service, 8)] * 9, call="history")
    result = await made(comfyui)
    assert result.remarks["jobs_before_it"] == 2


def standin_free_after(service: ComfyuiStandIn, calls: int) -> Any:
    async def behave(exchange: Any) -> None:
        if len(service.calls("history")) >= calls:
            service.finish_others()
        await exchange.send(exchange.good())

    return behave


async def test_nothing_of_the_guest_stays_in_the_history(service: ComfyuiStandIn, comfyui: ComfyuiProvider) -> None:
    await made(comfyui)
    await comfyui.close()
    assert service.forgotten == list(service.graphs)
    assert service.history == {}


async def test_own_costs_are_known_before_and_after(comfyui: ComfyuiProvider) -> None:
    given = settings(price_usd=0.02)
    assert comfyui.expected_cost("workflow", given) == CallCost(usd_micros=20_000)
    assert (await made(comfyui, given)).cost == CallCost(usd_micros=20_000)
    assert comfyui.expected_cost("workflow", {}) is None


OUTPUTS = {"7": {"images": [image("preview.png")]}, "11": {"images": [image("saved.png", kind="output")]}}


@pytest.mark.parametrize(
    ("outputs", "name"),
    [
        ({**OUTPUTS, "8": {"images": [image("ours.png"), image("second.png")]}}, "ours.png"),
        (OUTPUTS, "saved.png"),
        ({"7": OUTPUTS["7"]}, "preview.png"),
        ({"8": {"text": ["no picture"]}, "9": {"images": "odd"}, **OUTPUTS}, "saved.png"),
    ],
    ids=["ours", "the saved one", "any", "odd ones beside it"],
)
async def test_the_picture_is_chosen_among_several(
    service: ComfyuiStandIn, comfyui: ComfyuiProvider, outputs: dict[str, Any], name: str
) -> None:
    service.ending = standin.outputs(outputs)
    assert (await made(comfyui)).data == PICTURE
    assert [request.query["filename"] for request in service.calls("view")] == [name]


async def test_a_black_picture_is_a_picture(service: ComfyuiStandIn, comfyui: ComfyuiProvider) -> None:
    service.picture = standin.photos.one_colour_png(64, 64)
    assert (await made(comfyui)).data == service.picture


@pytest.mark.parametrize(
    ("key", "given", "header"),
    [
        ("token-1", {}, ("Authorization", "Bearer token-1")),
        ("ada:secret", {"auth": "basic"}, ("Authorization", "Basic YWRhOnNlY3JldA==")),
        ("token-1", {"auth": "header"}, ("X-API-Key", "token-1")),
        ("token-1", {"auth": "header", "key_header": "X-Booth"}, ("X-Booth", "token-1")),
    ],
)
async def test_the_key_goes_to_the_proxy_with_every_request(
    service: ComfyuiStandIn, key: str, given: dict[str, Any], header: tuple[str, str]
) -> None:
    service.auth = header
    provider = ComfyuiProvider(FixedContext(secret=key, base_url=f"{service.url}/"), poll_interval=TICK)
    assert (await made(provider, settings(**given))).data == PICTURE
    assert await provider.diagnose([RouteEntry("comfyui", "workflow", settings(**given))]) == []
    await provider.close()


async def test_without_an_address_it_says_what_to_set() -> None:
    provider = ComfyuiProvider(FixedContext(), poll_interval=TICK)
    error = await error_of(provider)
    assert isinstance(error, NotConfigured)
    assert "PHOTOCHANGER_COMFYUI_BASE_URL" in error.reason
    assert await provider.diagnose([]) == []
    (finding,) = await provider.diagnose([RouteEntry("comfyui", "workflow", settings())])
    assert (finding.code, finding.detail) == (ProviderFindingCode.NOT_CONFIGURED, error.reason)


async def test_a_key_that_no_header_can_carry_is_not_sent(service: ComfyuiStandIn) -> None:
    provider = ComfyuiProvider(FixedContext(secret="a\nb", base_url=service.url), poll_interval=TICK)
    assert isinstance(await error_of(provider), NotConfigured)
    assert service.received == []


async def test_large_whole_numbers_of_a_workflow_stay_as_they_are(
    service: ComfyuiStandIn, comfyui: ComfyuiProvider
) -> None:
    graph = workflow(n6={"steps": 2**64 - 1})
    await made(comfyui, settings(graph))
    assert json.loads(service.calls("prompt")[0].body)["prompt"]["6"]["inputs"]["steps"] == 2**64 - 1


async def test_missing_nodes_and_files_are_named_without_making_a_picture(
    service: ComfyuiStandIn, comfyui: ComfyuiProvider
) -> None:
    graph = workflow(n1={"ckpt_name": "gone.safetensors"}, n6={"sampler_name": "heun"})
    graph["10"]["class_type"] = "FaceDetailer"
    problems = await comfyui.diagnose([RouteEntry("comfyui", "workflow", settings(graph))])
    assert [problem.detail.partition(". ")[0] for problem in problems] == [
        "ComfyUI does not have what node 1 (CheckpointLoaderSimple) names: ckpt_name = 'gone.safetensors'",
        "ComfyUI does not have what node 6 (KSampler) names: sampler_name = 'heun'",
        "ComfyUI does not have the class of node 10 (FaceDetailer)",
    ]
    assert service.calls("prompt") == service.calls("upload") == []


async def test_lists_of_files_in_the_newer_form_are_read(service: ComfyuiStandIn, comfyui: ComfyuiProvider) -> None:
    about = {"input": {"required": {"ckpt_name": ["COMBO", {"options": ["a.safetensors"]}]}, "optional": {"x": []}}}
    calls = [standin.json_answer({"CheckpointLoaderSimple": about})]
    service.script(standin.json_answer({"PreviewImage": {"input": {}}}), *calls, call="object_info")
    (problem,) = await comfyui.diagnose([RouteEntry("comfyui", "workflow", settings())])
    assert "painter.safetensors" in problem.detail


async def test_settings_that_do_not_fit_are_named_by_the_diagnosis(comfyui: ComfyuiProvider) -> None:
    (problem,) = await comfyui.diagnose([RouteEntry("comfyui", "workflow", {"workflow": "{}"})])
    assert "API format" in problem.detail
    assert await comfyui.diagnose([RouteEntry("comfyui", "workflow")]) == []


class TestComfyuiProvider(ProviderContract):
    entries = (
        RouteEntry("comfyui", "workflow", settings(prompt="noir")),
        RouteEntry("comfyui", "workflow", settings(workflow(titles=False, style=False), price_usd=0.1)),
    )
    secret: ClassVar[str] = KEY

    @pytest.fixture(autouse=True)
    async def stand_in(self) -> Any:
        async with ComfyuiStandIn(Generation.BY_ID) as service:
            self.base_url, self.service = service.url, service
            yield

    async def make_provider(self, context: ProviderContext) -> Provider:
        self.service.auth = ("Authorization", f"Bearer {KEY}") if await context.key() else None
        return ComfyuiProvider(context, poll_interval=TICK)
