"""What any service may do on the wire, and what each provider makes of it: one table for all of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any, NamedTuple

import pytest
from photochanger.adapters.providers.bfl.provider import BflProvider
from photochanger.adapters.providers.gemini.provider import GeminiProvider
from photochanger.adapters.providers.openai.provider import OpenAIProvider
from photochanger.adapters.providers.queued import MAX_FETCHES
from photochanger.adapters.providers.turbotext.provider import MAX_DOWNLOADS, TurbotextProvider
from photochanger.core.ports.provider import Down, Provider, ProviderError, ProviderResult, Rejected, Retryable

from tests.support import photos
from tests.support.standins import bfl, gemini, openai, turbotext
from tests.support.standins.bfl_calls import QUICK
from tests.support.standins.calls import FixedContext, provider_request
from tests.support.standins.picture_origin import EXPIRED, GONE, PictureOrigin
from tests.support.standins.server import (
    Answer,
    Behaviour,
    StandInServer,
    bad_json,
    drip,
    end_of_window,
    flood,
    html,
    limited,
    reset,
    reset_after_acceptance,
    taking,
    truncated,
)
from tests.support.standins.turbotext_calls import LINKS, TICK

pytestmark = pytest.mark.anyio

MEBIBYTE = 1024 * 1024
PROMPT = {"prompt": "An oil painting"}


class Asked(NamedTuple):
    """A provider, the stand-in that it asks, the name of the call that is paid for, and what a request needs."""

    provider: Provider
    service: StandInServer
    call: str
    fields: dict[str, Any]

    async def edit(self, seconds: float = 180) -> ProviderResult:
        return await self.provider.process(provider_request("image_edit", PROMPT, seconds=seconds, **self.fields))

    async def error(self, seconds: float = 180) -> ProviderError:
        with pytest.raises(ProviderError) as raised:
            await self.edit(seconds)
        return raised.value


def _gemini() -> tuple[StandInServer, str, Callable[[], Provider]]:
    service = gemini.GeminiStandIn()
    return service, "call", lambda: GeminiProvider(FixedContext(secret=gemini.KEY, base_url=service.url))


def _openai() -> tuple[StandInServer, str, Callable[[], Provider]]:
    service = openai.OpenAIStandIn()
    return service, "call", lambda: OpenAIProvider(FixedContext(secret=openai.KEY, base_url=service.base_url))


def _turbotext() -> tuple[StandInServer, str, Callable[[], Provider]]:
    service = turbotext.TurbotextStandIn()

    def make() -> Provider:
        context = FixedContext(secret=turbotext.KEY, base_url=service.url, private_hosts=("127.0.0.1",))
        return TurbotextProvider(context, poll_interval=TICK)

    return service, "create", make


def _bfl() -> tuple[StandInServer, str, Callable[[], Provider]]:
    service = bfl.BflStandIn()

    def make() -> Provider:
        context = FixedContext(secret=bfl.KEY, base_url=service.url, private_hosts=("127.0.0.1",))
        return BflProvider(context, pace=QUICK)

    return service, "submit", make


@pytest.fixture(params=[_bfl, _gemini, _openai, _turbotext], ids=lambda make: make.__name__.strip("_"))
async def asked(request: pytest.FixtureRequest) -> AsyncIterator[Asked]:
    service, call, make = request.param()
    async with service:
        provider = make()
        yield Asked(provider, service, call, LINKS if call == "create" else {})
        await provider.close()
        assert service.refused == []


FAULTS: dict[str, tuple[Behaviour | Answer, type[ProviderError], timedelta | None]] = {
    "429": (limited(), Retryable, None),
    "429 for seconds": (limited("7"), Retryable, timedelta(seconds=7)),
    "429 for a word": (limited("soon"), Retryable, None),
    "500": (Answer(500, b"{}", {"Content-Type": "application/json"}), Down, None),
    "503 as a page": (html(503), Down, None),
    "a page": (html(), Down, None),
    "reset": (reset, Down, None),
    "reset after acceptance": (reset_after_acceptance, Down, None),
    "truncated": (truncated, Down, None),
    "bad JSON": (bad_json(), Down, None),
    "bad JSON of an error": (bad_json(502), Down, None),
}


@pytest.mark.parametrize("name", FAULTS)
async def test_each_fault_of_the_wire_has_its_verdict(asked: Asked, name: str) -> None:
    behaviour, kind, after = FAULTS[name]
    asked.service.script(behaviour, call=asked.call)
    error = await asked.error()
    assert (isinstance(error, kind), isinstance(error, Down)) == (True, kind is Down)
    assert getattr(error, "after", None) == after
    assert len(asked.service.calls(asked.call)) == 1, "retries are up to the route"
    assert (await asked.edit()).data


async def test_a_slow_answer_is_waited_for(asked: Asked) -> None:
    asked.service.script(taking(0.01), call=asked.call)
    assert (await asked.edit()).data


@pytest.mark.parametrize("head", [b'{"x": ', b"{}"], ids=["no JSON", "after JSON"])
async def test_a_gigantic_body_is_given_up_before_it_has_come(asked: Asked, head: bytes) -> None:
    asked.service.script(flood(150 * MEBIBYTE, head=head), call=asked.call)
    assert isinstance(await asked.error(), Retryable)
    assert len(asked.service.calls(asked.call)) == 1


# Finished pictures at a second origin.


class Fetched(NamedTuple):
    """A provider whose service names the address of its picture, and that other origin."""

    edit: Callable[[float], Awaitable[ProviderResult]]
    origin: PictureOrigin
    fetches: int

    async def error(self, seconds: float = 180) -> ProviderError:
        with pytest.raises(ProviderError) as raised:
            await self.edit(seconds)
        return raised.value


PICTURE = photos.png(64, 48)


async def _openai_gateway() -> AsyncIterator[Fetched]:
    async with openai.OpenAIStandIn() as service, PictureOrigin(openai.KEY) as origin:
        context = FixedContext(secret=openai.KEY, base_url=service.base_url, private_hosts=("127.0.0.1",))
        provider = OpenAIProvider(context)

        async def edit(seconds: float) -> ProviderResult:
            service.script(openai.data([{"url": origin.put(PICTURE)}]))
            return await provider.process(provider_request("image_edit", PROMPT, seconds=seconds))

        yield Fetched(edit, origin, 1)
        await provider.close()
        assert service.refused == []


async def _turbotext_result() -> AsyncIterator[Fetched]:
    async with turbotext.TurbotextStandIn() as service:
        service.picture = PICTURE
        context = FixedContext(secret=turbotext.KEY, base_url=service.url, private_hosts=("127.0.0.1",))
        provider = TurbotextProvider(context, poll_interval=TICK)

        async def edit(seconds: float) -> ProviderResult:
            return await provider.process(provider_request("image_edit", PROMPT, seconds=seconds, **LINKS))

        yield Fetched(edit, service.pictures, MAX_DOWNLOADS)
        await provider.close()
        assert service.refused == []


async def _bfl_sample() -> AsyncIterator[Fetched]:
    async with bfl.BflStandIn() as service:
        context = FixedContext(secret=bfl.KEY, base_url=service.url, private_hosts=("127.0.0.1",))
        provider = BflProvider(context, pace=QUICK)

        async def edit(seconds: float) -> ProviderResult:
            return await provider.process(provider_request("image_edit", PROMPT, seconds=seconds))

        yield Fetched(edit, service.pictures, MAX_FETCHES)
        await provider.close()
        assert service.refused == []


@pytest.fixture(params=[_bfl_sample, _openai_gateway, _turbotext_result], ids=lambda make: make.__name__.strip("_"))
async def fetched(request: pytest.FixtureRequest) -> AsyncIterator[Fetched]:
    async for each in request.param():
        yield each


async def test_a_picture_is_fetched_once_and_without_the_key(fetched: Fetched) -> None:
    assert (await fetched.edit(180)).data in (PICTURE, bfl.PICTURE)
    assert list(fetched.origin.fetched.values()) == [1]


BAD_RESULTS: dict[str, tuple[Behaviour | Answer, type[ProviderError]]] = {
    "404": (GONE, Retryable),
    "403, expired": (EXPIRED, Retryable),
    "a page": (html(), Retryable),
    "truncated": (truncated, Down),
    "reset": (reset, Down),
    "500": (Answer(500), Down),
    "nothing": (Answer(200), Retryable),
}


@pytest.mark.parametrize("name", BAD_RESULTS)
async def test_a_result_that_is_not_there_has_its_verdict(fetched: Fetched, name: str) -> None:
    behaviour, kind = BAD_RESULTS[name]
    fetched.origin.script(*[behaviour] * fetched.fetches)
    error = await fetched.error()
    assert (isinstance(error, kind), isinstance(error, Down)) == (True, kind is Down)
    assert len(fetched.origin.received) == fetched.fetches


async def test_a_result_that_redirects_is_not_followed(fetched: Fetched) -> None:
    for status in (301, 302, 307):
        fetched.origin.script(*[fetched.origin.redirecting(status)] * fetched.fetches)
        error = await fetched.error()
        assert (isinstance(error, Retryable), "redirects" in error.reason) == (True, True)


async def test_a_result_that_is_too_large_is_refused_for_good(fetched: Fetched) -> None:
    fetched.origin.script(flood(65 * MEBIBYTE, head=PICTURE, content_type="image/png"))
    assert isinstance(await fetched.error(), Rejected)


async def test_a_result_that_drips_ends_with_the_window(fetched: Fetched) -> None:
    assert isinstance(await end_of_window(fetched.origin, drip(0.2), fetched.error), Down)
