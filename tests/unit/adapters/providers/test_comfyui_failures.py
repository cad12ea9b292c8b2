"""The provider `comfyui` where ComfyUI, its nodes, the network or a proxy do not do what they should."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from photochanger.adapters.providers.comfyui.job import MAX_MISSES
from photochanger.adapters.providers.comfyui.provider import ComfyuiProvider
from photochanger.core.ports.provider import Down, NotConfigured, ProviderError, Rejected, Retryable, Unavailable
from photochanger.core.services.support.concurrency import TaskSet

from tests.support.standins import comfyui as standin
from tests.support.standins.calls import FixedContext, References
from tests.support.standins.comfyui import PICTURE, ComfyuiStandIn
from tests.support.standins.comfyui_calls import TICK, comfyui, error_of, made, service, settings
from tests.support.standins.comfyui_nodes import workflow
from tests.support.standins.server import (
    Answer,
    Exchange,
    Held,
    empty,
    end_of_window,
    flood,
    hang,
    html,
    json_answer,
    reset,
    reset_midway,
    truncated,
)

pytestmark = pytest.mark.anyio

__all__ = ["comfyui", "service"]


async def test_a_node_that_the_service_does_not_have_is_named(
    service: ComfyuiStandIn, comfyui: ComfyuiProvider
) -> None:
    graph = workflow()
    graph["10"]["class_type"] = "FaceDetailer"
    error = await error_of(comfyui, settings(graph))
    assert type(error) is Rejected
    assert "does not have: node 10 (FaceDetailer)." in error.reason


async def test_a_model_that_the_service_does_not_have_is_named(comfyui: ComfyuiProvider) -> None:
    error = await error_of(comfyui, settings(workflow(n1={"ckpt_name": "gone.safetensors"})))
    assert type(error) is Rejected
    assert "node 1 (CheckpointLoaderSimple)" in error.reason
    assert "(ckpt_name 'gone.safetensors')" in error.reason


def refused(kind: str, node: str = "6", name: str = "steps") -> Answer:
    """A 400 as ComfyUI gives it, with words that must be shown to nobody."""
    error = {"type": kind, "message": "secret.py", "details": "the guest's words", "extra_info": {"input_name": name}}
    about = {"errors": [error], "dependent_outputs": ["8"], "class_type": "KSampler"}
    whole = {"type": "prompt_outputs_failed_validation", "message": "guest's words", "details": "", "extra_info": {}}
    return json_answer({"error": whole, "node_errors": {node: about}}, status=400)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("required_input_missing", "a required input is missing (steps)"),
        ("bad_linked_input", "an input has a broken link"),
        ("return_type_mismatch", "linked to an output of another type"),
        ("invalid_input_type", "a value of the wrong type"),
        ("value_smaller_than_min", "smaller than allowed"),
        ("value_bigger_than_max", "larger than allowed"),
        ("value_not_in_list", "names what this ComfyUI does not have"),
        ("custom_validation_failed", "the node itself refuses an input"),
        ("exception_during_validation", "failed while its inputs were checked"),
        ("exception_during_inner_validation", "failed while its inputs were checked"),
        ("dependency_cycle", "a loop"),
        ("a_type_of_tomorrow", "an input does not fit"),
    ],
)
async def test_every_refused_input_is_final_and_named(
    service: ComfyuiStandIn, comfyui: ComfyuiProvider, kind: str, words: str
) -> None:
    service.script(refused(kind), call="prompt")
    error = await error_of(comfyui)
    assert type(error) is Rejected
    assert words in error.reason
    assert "node 6 (KSampler)" in error.reason


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"type": "no_prompt", "message": "No prompt provided"}, "node_errors": {}},
        {"error": {"type": "prompt_no_outputs"}, "node_errors": {}},
        {"error": {"type": "invalid_prompt", "details": "Node ID '#77'"}, "node_errors": {}},
        {"error": "a text", "node_errors": []},
        {"error": None},
        {"node_errors": {"6": {"errors": [7]}, "7": 5, "8": {"errors": "x"}}},
        [],
        None,
    ],
)
async def test_every_form_of_a_refusal_is_final(service: ComfyuiStandIn, comfyui: ComfyuiProvider, body: Any) -> None:
    service.script(json_answer(body, status=400), call="prompt")
    assert type(await error_of(comfyui)) is Rejected
    await comfyui.close()
    assert len(service.received) == 3  # two uploads; nothing is there to be cancelled


async def test_an_upload_that_is_gone_is_made_again(service: ComfyuiStandIn, comfyui: ComfyuiProvider) -> None:
    async def restarted(exchange: Exchange) -> None:
        service.restart()
        await exchange.send(exchange.good())

    service.script(restarted, call="prompt")
    error = await error_of(comfyui)
    assert type(error) is Retryable
    assert (await made(comfyui)).data == PICTURE


async def test_work_that_was_accepted_with_errors_is_an_error_and_is_cancelled(
    service: ComfyuiStandIn, comfyui: ComfyuiProvider
) -> None:
    async def partly(exchange: Exchange) -> None:
        body = exchange.good()
        prompt_id = next(iter(service.graphs))
        errors = {"1": {"errors": [{"type": "value_not_in_list", "extra_info": {"input_name": "ckpt_name"}}]}}
        assert body.status == 200
        await exchange.send(json_answer({"prompt_id": prompt_id, "number": 1, "node_errors": errors}))

    service.script(partly, call="prompt")
    error = await error_of(comfyui)
    assert type(error) is Rejected
    assert "painter.safetensors" in error.reason
    await comfyui.close()
    assert service.cancelled == list(service.graphs)


@pytest.mark.parametrize(
    ("exception", "message", "kind", "words"),
    [
        ("torch.OutOfMemoryError", "Allocation on device", Down, "ran out of memory in node 6 (KSampler)"),
        ("RuntimeError", "CUDA out of memory. guest's words", Down, "ran out of memory"),
        ("RuntimeError", "CUDA error: device-side assert", Down, "graphics card"),
        ("ValueError", "the guest's words in /home/studio/secret.py", Retryable, "node 6 (KSampler): ValueError"),
        ("odd name", "", Retryable, "node 6 (KSampler): an error"),
    ],
)
async def test_what_a_node_raises_is_classified_and_its_words_are_kept_back(
    service: ComfyuiStandIn,
    comfyui: ComfyuiProvider,
    caplog: pytest.LogCaptureFixture,
    exception: str,
    message: str,
    kind: type[ProviderError],
    words: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    service.ending = standin.failed(exception, message)
    error = await error_of(comfyui)
    assert type(error) is kind
    assert words in error.reason
    assert "secret.py" not in caplog.text
    assert "guest's words" not in caplog.text
    await comfyui.close()
    assert service.forgotten == list(service.graphs)


async def test_an_interrupted_job_is_tried_again(service: ComfyuiStandIn, comfyui: ComfyuiProvider) -> None:
    service.ending = standin.interrupted
    assert type(await error_of(comfyui)) is Retryable


@pytest.mark.parametrize("made_by", [{}, {"8": {}}, {"8": {"images": []}}, {"8": {"images": [{"filename": 5}, 7]}}])
async def test_an_end_without_a_picture_is_tried_again(
    service: ComfyuiStandIn, comfyui: ComfyuiProvider, made_by: dict[str, Any]
) -> None:
    service.ending = standin.outputs(made_by)
    assert type(await error_of(comfyui)) is Retryable


@pytest.mark.parametrize(
    "status",
    [
        {"status_str": "error", "completed": False, "messages": []},
        {"status_str": "error", "messages": [["execution_error", "no data"], 7, ["execution_error"], []]},
        {"status_str": "error", "messages": [["execution_error", {"node_id": 5, "exception_type": None}]]},
        {"status_str": "a word of tomorrow", "messages": []},
    ],
)
async def test_an_end_of_another_form_is_tried_again(
    service: ComfyuiStandIn, comfyui: ComfyuiProvider, status: dict[str, Any]
) -> None:
    service.ending = lambda prompt_id: {"outputs": {}, "status": status}
    assert type(await error_of(comfyui)) is Retryable


async def test_a_restart_while_the_job_waits_is_noticed(service: ComfyuiStandIn, comfyui: ComfyuiProvider) -> None:
    async def restarted(exchange: Exchange) -> None:
        service.restart()
        await exchange.send(exchange.good())

    service.polls = 10**6
    service.script(restarted, call="history")
    error = await error_of(comfyui)
    assert type(error).__base__ is Retryable
    assert "no longer knows the job" in error.reason
    await comfyui.close()
    assert service.cancelled == service.forgotten == []
    service.polls = 1
    assert (await made(comfyui)).data == PICTURE


async def test_a_job_that_ends_between_two_questions_is_not_lost(
    service: ComfyuiStandIn, comfyui: ComfyuiProvider
) -> None:
    async def ends_at_once(exchange: Exchange) -> None:
        service.restart()  # the queue is empty, the history not yet written
        await exchange.send(json_answer({"queue_running": [], "queue_pending": []}))
        (prompt_id,) = service.graphs
        service.history[prompt_id] = service.succeeded(prompt_id)

    service.script(ends_at_once, call="queue")
    service.script(json_answer({}), call="history")
    assert (await made(comfyui)).data == PICTURE


@pytest.mark.parametrize("how", ["before", "after"])
async def test_an_answer_to_queueing_that_is_lost_does_not_make_a_second_job(
    service: ComfyuiStandIn, comfyui: ComfyuiProvider, how: str
) -> None:
    async def accepted_and_reset(exchange: Exchange) -> None:
        exchange.good()
        await reset(exchange)

    service.script(accepted_and_reset if how == "after" else reset, call="prompt")
    if how == "after":
        assert (await made(comfyui)).data == PICTURE
    else:
        assert type(await error_of(comfyui)) is Down
    assert len(service.calls("prompt")) == 1


@pytest.mark.parametrize(
    "behaviour", [reset, truncated, empty(), Answer(502), json_answer([1]), json_answer({"x": 5}, status=429)]
)
async def test_polls_that_fail_are_repeated(service: ComfyuiStandIn, comfyui: ComfyuiProvider, behaviour: Any) -> None:
    service.script(*[behaviour] * MAX_MISSES, call="history")
    assert (await made(comfyui)).data == PICTURE
    service.script(*[behaviour] * (MAX_MISSES + 1), call="history")
    assert isinstance(await error_of(comfyui), Retryable)


async def test_a_queue_of_megabytes_is_read(service: ComfyuiStandIn, comfyui: ComfyuiProvider) -> None:
    long = flood(20 * 1024 * 1024, head=b'{"queue_running": [[1, "', tail=b'", {}]], "queue_pending": []}')
    service.script(long, call="queue")
    service.polls = 1
    assert (await made(comfyui)).data == PICTURE


@pytest.mark.parametrize("behaviour", [reset, reset_midway, truncated, Answer(502)])
async def test_a_finished_picture_is_fetched_again(
    service: ComfyuiStandIn, comfyui: ComfyuiProvider, behaviour: Any
) -> None:
    service.script(behaviour, behaviour, call="view")
    assert (await made(comfyui)).data == PICTURE
    assert len(service.calls("prompt")) == 1


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        (Answer(404), Retryable),
        (Answer(403), Retryable),
        (empty(), Retryable),
        (Answer(200, b'{"a": 1}'), Retryable),
        (Answer(302, b"", {"Location": "http://169.254.169.254/"}), NotConfigured),
        (html(), NotConfigured),
        (flood(70 * 1024 * 1024, content_type="image/png"), Rejected),
    ],
    ids=["gone", "forbidden", "empty", "JSON", "elsewhere", "a page", "gigantic"],
)
async def test_what_is_no_picture_is_not_taken_for_one(
    service: ComfyuiStandIn, comfyui: ComfyuiProvider, behaviour: Any, kind: type[ProviderError]
) -> None:
    service.script(behaviour, call="view")
    assert type(await error_of(comfyui)) is kind


async def test_answers_name_files_and_never_hosts(service: ComfyuiStandIn, comfyui: ComfyuiProvider) -> None:
    hostile = {"filename": "http://169.254.169.254/a?x=&type=input#", "subfolder": "../..", "type": "temp&a=b"}
    service.ending = standin.outputs({"8": {"images": [hostile]}})
    await made(comfyui)
    (request,) = service.calls("view")
    assert request.query == hostile


async def test_the_end_of_the_window_says_how_far_the_work_was(
    service: ComfyuiStandIn, comfyui: ComfyuiProvider
) -> None:
    service.polls = 10**6
    for seconds in (0.5, 2, 8, 32):
        error = await error_of(comfyui, seconds=seconds)
        if service.calls("history"):
            break
    assert type(error) is Unavailable
    assert "still working" in error.reason
    await comfyui.close()
    service.work_for_another_guest("second-guest")
    for seconds in (0.5, 2, 8, 32):
        error = await error_of(comfyui, seconds=seconds)
        if "2 jobs" in error.reason:
            break
    assert "2 jobs were before it" in error.reason
    await comfyui.close()
    assert set(service.cancelled + service.interrupted) == set(service.graphs)
    assert service.running == "other-guest"


@pytest.mark.parametrize("call", ["upload", "prompt", "queue", "history", "view"])
async def test_a_service_that_hangs_costs_the_window_and_no_more(call: str) -> None:
    async with ComfyuiStandIn() as service:
        provider = ComfyuiProvider(FixedContext(base_url=service.url), poll_interval=TICK)

        async def attempt(seconds: float) -> ProviderError:
            return await error_of(provider, seconds=seconds)

        error = await end_of_window(service, hang, attempt, call=call)
        assert isinstance(error, Down | Unavailable)
        await provider.close()
        assert service.refused == []


async def test_no_reference_is_saved_for_a_photo_that_was_not_uploaded(
    service: ComfyuiStandIn, comfyui: ComfyuiProvider
) -> None:
    references = References()
    service.script(Answer(500), call="upload")
    assert type(await error_of(comfyui, references=references)) is Down
    assert references.noted == []


async def test_nothing_is_queued_where_its_id_cannot_be_saved(
    service: ComfyuiStandIn, comfyui: ComfyuiProvider
) -> None:
    async def note(reference: str) -> None:
        raise LookupError("the claim is lost")

    with pytest.raises(LookupError):
        await made(comfyui, note_reference=note)
    await comfyui.close()
    assert service.calls("prompt") == service.calls("cancel") == []


async def test_a_held_answer_of_one_guest_keeps_no_other_waiting(
    service: ComfyuiStandIn, comfyui: ComfyuiProvider
) -> None:
    held = Held()
    service.script(held, call="upload")
    service.polls = 1
    waiting = TaskSet().start(made(comfyui), name="a held call")
    await service.until(lambda: held.has_begun)
    assert (await made(comfyui)).data == PICTURE
    held.release()
    assert (await waiting).data == PICTURE
