"""The provider `turbotext` when its service refuses, fails, keeps waiting or points to where nobody may go."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from photochanger.adapters.providers.turbotext.provider import MAX_DOWNLOADS, MAX_MISSES, TurbotextProvider
from photochanger.core.ports.provider import (
    Down,
    NotConfigured,
    ProviderError,
    QuotaExhausted,
    Rejected,
    Retryable,
    Unavailable,
)

from tests.support import photos
from tests.support.standins.calls import FixedContext, References
from tests.support.standins.server import (
    Answer,
    Behaviour,
    drip,
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
from tests.support.standins.turbotext import KEY, TurbotextStandIn, refusing
from tests.support.standins.turbotext_calls import TICK, context, edited, error_of, service, turbotext

pytestmark = pytest.mark.anyio

__all__ = ["context", "service", "turbotext"]


@pytest.mark.parametrize("call", ["create", "poll"])
@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("LIMIT", QuotaExhausted),
        ("url_error", Rejected),
        ("params_error", Rejected),
        ("face_not_detected", Rejected),
        ("quality_limit", Rejected),
        ("size_error", Rejected),
        ("server_busy", Retryable),
        ("", Retryable),
    ],
)
async def test_each_word_of_refusal_has_its_meaning(
    service: TurbotextStandIn, turbotext: TurbotextProvider, word: str, kind: type[ProviderError], call: str
) -> None:
    service.script(refusing(word), call=call)
    error = await error_of(turbotext)
    assert type(error) is kind
    assert word in error.reason
    assert len(service.calls("poll")) == (1 if call == "poll" else 0)


async def test_forbidden_content_is_final(service: TurbotextStandIn, turbotext: TurbotextProvider) -> None:
    service.script(json_answer({"success": True, "error": "", "data": {"forbidden_content": True}}), call="poll")
    error = await error_of(turbotext)
    assert (type(error), "forbidden content" in error.reason) == (Rejected, True)


@pytest.mark.parametrize(
    "answer",
    [
        {"success": True, "error": "", "data": {}},
        {"success": True, "data": ["image/1.png"]},
        {"success": True, "uploaded_image": ""},
        {"success": True, "uploaded_image": 7, "data": {"uploaded_image": None}},
        {"success": "perhaps"},
        {"success": False, "error": {"code": 1}},
        {},
    ],
)
async def test_finished_work_without_a_picture_is_worth_another_try(
    service: TurbotextStandIn, turbotext: TurbotextProvider, answer: dict[str, Any]
) -> None:
    service.script(json_answer(answer), call="poll")
    assert type(await error_of(turbotext)) is Retryable


@pytest.mark.parametrize("queue_id", [None, True, "", 1.5, "x" * 129, "4\n7", [4711]])
async def test_a_queueid_that_is_none_is_worth_another_try(
    service: TurbotextStandIn, turbotext: TurbotextProvider, queue_id: Any
) -> None:
    service.script(json_answer({"success": True, "queueid": queue_id}), call="create")
    references = References()
    assert type(await error_of(turbotext, references=references)) is Retryable
    assert references.noted == []


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("call", ["create", "poll"])
async def test_a_refused_key_is_a_matter_of_configuration(
    service: TurbotextStandIn, turbotext: TurbotextProvider, status: int, call: str
) -> None:
    service.script(json_answer({"error": f"your key {KEY} is wrong"}, status=status), call=call)
    assert type(await error_of(turbotext)) is NotConfigured


async def test_a_429_names_when_to_come_back(service: TurbotextStandIn, turbotext: TurbotextProvider) -> None:
    service.script(Answer(429, b"", {"Retry-After": "12"}), call="create")
    error = await error_of(turbotext)
    assert isinstance(error, Retryable)
    assert (type(error), error.after) == (Retryable, timedelta(seconds=12))


async def test_a_429_while_waiting_that_is_longer_than_the_window_is_told_as_it_is(
    service: TurbotextStandIn, turbotext: TurbotextProvider
) -> None:
    service.script(Answer(429, b"", {"Retry-After": "3600"}), call="poll")
    error = await error_of(turbotext)
    assert isinstance(error, Retryable)
    assert (type(error), error.after) == (Retryable, timedelta(seconds=3600))


NO_ANSWERS: list[Behaviour | Answer] = [
    *(reset, reset_midway, truncated, html(), html(503), empty(), Answer(500), Answer(200, b"[1]")),
    *(Answer(200, b'{"success": tru'), Answer(200, b"\xff\xfe"), flood(2 * 1024 * 1024)),
]


@pytest.mark.parametrize("behaviour", NO_ANSWERS)
async def test_a_service_that_gives_no_answer_of_its_api_is_down(
    service: TurbotextStandIn, turbotext: TurbotextProvider, behaviour: Behaviour | Answer
) -> None:
    service.script(behaviour, call="create")
    assert type(await error_of(turbotext)) is Down
    assert len(service.calls("create")) == 1


@pytest.mark.parametrize("behaviour", NO_ANSWERS)
async def test_work_that_is_paid_for_survives_questions_that_go_unanswered(
    service: TurbotextStandIn, turbotext: TurbotextProvider, behaviour: Behaviour | Answer
) -> None:
    service.script(*[behaviour] * MAX_MISSES, json_answer({"action": "reconnect"}), behaviour, call="poll")
    assert (await edited(turbotext)).data == service.picture
    assert len(service.calls("create")) == 1


async def test_too_many_unanswered_questions_in_a_row_end_the_call(
    service: TurbotextStandIn, turbotext: TurbotextProvider
) -> None:
    service.script(*[Answer(502)] * (MAX_MISSES + 1), call="poll")
    assert type(await error_of(turbotext)) is Down
    assert len(service.calls("poll")) == MAX_MISSES + 1


@pytest.mark.parametrize("behaviour", [reset, Answer(404), Answer(502), html(), empty(), truncated])
async def test_a_finished_picture_is_fetched_again_where_that_fails(
    service: TurbotextStandIn, turbotext: TurbotextProvider, behaviour: Behaviour | Answer
) -> None:
    service.pictures.script(*[behaviour] * (MAX_DOWNLOADS - 1))
    assert (await edited(turbotext)).data == service.picture
    assert len(service.calls("create")) == 1


async def test_a_picture_that_never_comes_is_given_up(service: TurbotextStandIn, turbotext: TurbotextProvider) -> None:
    service.pictures.script(*[Answer(410)] * MAX_DOWNLOADS)
    error = await error_of(turbotext)
    assert (type(error), len(service.pictures.received)) == (Retryable, MAX_DOWNLOADS)


async def test_a_picture_that_is_too_large_is_refused(service: TurbotextStandIn, turbotext: TurbotextProvider) -> None:
    service.pictures.script(flood(65 * 1024 * 1024, head=service.picture, content_type="image/png"))
    assert type(await error_of(turbotext)) is Rejected
    assert len(service.pictures.received) == 1


@pytest.mark.parametrize("behaviour", [hang, drip(0.2)])
@pytest.mark.parametrize("call", ["create", "poll", "picture"])
async def test_waiting_ends_with_the_window(
    service: TurbotextStandIn, turbotext: TurbotextProvider, behaviour: Behaviour, call: str
) -> None:
    service.picture = photos.png(200, 200)

    async def attempt(seconds: float) -> ProviderError:
        return await error_of(turbotext, seconds=seconds)

    if call == "picture":
        assert isinstance(await end_of_window(service.pictures, behaviour, attempt), Down)
    else:
        assert isinstance(await end_of_window(service, behaviour, attempt, call=call), Down)


async def test_work_that_is_not_finished_in_the_window_leaves_the_rest_of_it_to_another_entry(
    service: TurbotextStandIn, context: FixedContext
) -> None:
    turbotext = TurbotextProvider(context, poll_interval=timedelta(hours=1))
    error = await error_of(turbotext)
    await turbotext.close()
    assert type(error) is Unavailable
    assert service.calls("poll") == []


@pytest.mark.parametrize(
    "place",
    ["127.0.0.2", "localhost", "[::1]", "2130706434", "0x7f000002", "127.2", "169.254.169.254", "[::ffff:127.0.0.2]"],
)
async def test_a_picture_at_a_private_address_is_not_fetched(service: TurbotextStandIn, place: str) -> None:
    service.picture_url = f"http://{place}:{service.pictures.url.rpartition(':')[2]}/result.png"
    context = FixedContext(secret=KEY, base_url=service.url)
    careful = TurbotextProvider(context, poll_interval=TICK)
    error = await error_of(careful)
    await careful.close()
    assert (type(error), "PHOTOCHANGER_PRIVATE_HOSTS" in error.reason) == (Unavailable, True)
    assert service.pictures.received == []


async def test_the_address_of_the_service_itself_does_not_allow_downloads_from_it(service: TurbotextStandIn) -> None:
    service.picture_url = f"{service.url}/result.png"
    turbotext = TurbotextProvider(FixedContext(secret=KEY, base_url=service.url), poll_interval=TICK)
    error = await error_of(turbotext)
    await turbotext.close()
    assert (type(error), len(service.calls("poll"))) == (Unavailable, 2)
    assert service.calls("page") == []


async def test_a_picture_behind_a_name_is_fetched_from_the_address_that_was_checked(
    service: TurbotextStandIn, context: FixedContext
) -> None:
    answers = {"127.0.0.1": ["127.0.0.1"], "inside.example": ["10.0.0.7"]}
    asked: list[str] = []

    async def names(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        # Whoever asks twice for the same name gets the cloud's metadata service.
        return answers[host] if asked.count(host) == 1 or host == "127.0.0.1" else ["169.254.169.254"]

    turbotext = TurbotextProvider(context, poll_interval=TICK, resolver=names)
    port = service.pictures.url.rpartition(":")[2]
    service.picture_url = f"http://inside.example:{port}/x.png"
    assert type(await error_of(turbotext)) is Unavailable
    answers["pictures.example"] = ["127.0.0.1"]
    service.picture_url = service.pictures.put(service.picture).replace("127.0.0.1", "pictures.example")
    assert (await edited(turbotext)).data == service.picture
    await turbotext.close()
    assert (asked.count("inside.example"), asked.count("pictures.example")) == (1, 1)


async def test_a_redirect_to_a_private_address_is_not_followed(
    service: TurbotextStandIn, turbotext: TurbotextProvider
) -> None:
    service.pictures.script(*[service.pictures.redirecting()] * MAX_DOWNLOADS)
    error = await error_of(turbotext)
    assert (type(error), "redirects" in error.reason) == (Retryable, True)


async def test_a_service_that_redirects_is_not_followed(
    service: TurbotextStandIn, turbotext: TurbotextProvider
) -> None:
    service.script(Answer(301, b"", {"Location": f"{service.url}/elsewhere"}), call="create")
    assert type(await error_of(turbotext)) is Unavailable
    assert len(service.received) == 1
