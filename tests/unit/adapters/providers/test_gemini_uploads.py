"""Uploads of the `gemini` provider: what does not fit into a request goes through the Files API and is deleted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from photochanger.adapters.providers.gemini.provider import GeminiProvider
from photochanger.core.ports.provider import Down, NotConfigured, ProviderError, ProviderResult, Retryable

from tests.support.standins import gemini, server
from tests.support.standins.calls import FixedContext
from tests.support.standins.gemini import KEY, GeminiStandIn
from tests.support.standins.gemini_calls import PHOTO, asked, large, sent_parts
from tests.support.standins.server import Answer, Behaviour

pytestmark = pytest.mark.anyio


@pytest.fixture
async def standin() -> AsyncIterator[GeminiStandIn]:
    async with GeminiStandIn() as standin:
        yield standin


@pytest.fixture
async def context(standin: GeminiStandIn) -> FixedContext:
    return FixedContext(secret=KEY, base_url=standin.url)


@pytest.fixture
async def provider(context: FixedContext) -> AsyncIterator[GeminiProvider]:
    provider = GeminiProvider(context)
    yield provider
    await provider.close()


async def big_style(provider: GeminiProvider) -> ProviderResult:
    """Photo and style that do not fit into one request; the style is the larger."""
    templates = {"style": large(11_000_000)}
    return await provider.process(asked("style_transfer", {}, photo=large(6_000_000), templates=templates))


async def all_deleted(standin: GeminiStandIn, count: int = 1) -> None:
    await asyncio.wait_for(standin.until(lambda: len(standin.deleted) == count), 60)
    assert standin.files == {}


async def test_what_does_not_fit_into_a_request_is_uploaded_and_deleted(
    provider: GeminiProvider, standin: GeminiStandIn
) -> None:
    assert (await big_style(provider)).data == gemini.PICTURE
    photo, style, _ = sent_parts(standin)
    assert "inlineData" in photo
    assert "fileData" in style
    await all_deleted(standin)
    assert standin.refused == []


async def test_what_fits_into_a_request_is_not_uploaded(provider: GeminiProvider, standin: GeminiStandIn) -> None:
    (needs,) = {operation.needs for operation in provider.info.operations}
    await provider.process(asked(photo=large(needs.max_bytes - len(PHOTO.data))))
    assert [standin.call_of(call) for call in standin.received] == ["call"]


async def test_two_that_are_too_large_are_both_uploaded(provider: GeminiProvider, standin: GeminiStandIn) -> None:
    templates = {"style": large(15_500_000)}
    await provider.process(asked("style_transfer", {}, photo=large(15_000_000), templates=templates))
    await all_deleted(standin, 2)


@pytest.mark.parametrize("behaviour", [gemini.error(500, "INTERNAL", "Sorry."), gemini.without_content("NO_IMAGE")])
async def test_an_upload_is_deleted_after_a_call_that_failed(
    provider: GeminiProvider, standin: GeminiStandIn, behaviour: Answer
) -> None:
    standin.script(behaviour)
    with pytest.raises(Retryable):
        await big_style(provider)
    await all_deleted(standin)


async def test_an_upload_is_deleted_after_a_call_that_was_cancelled(
    provider: GeminiProvider, standin: GeminiStandIn
) -> None:
    standin.script(server.hang)
    call = asyncio.create_task(big_style(provider))
    await asyncio.wait_for(standin.until(lambda: len(standin.calls()) == 1), 60)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await all_deleted(standin)


async def test_nobody_waits_for_the_deletion(provider: GeminiProvider, standin: GeminiStandIn) -> None:
    held = server.Held()
    standin.script(held, call="delete")
    assert (await big_style(provider)).data == gemini.PICTURE
    assert standin.deleted == []
    held.release()
    await provider.close()
    assert len(standin.deleted) == 1, "closing lets deletions finish"


async def test_a_deletion_that_fails_is_told_and_harms_nobody(
    provider: GeminiProvider, standin: GeminiStandIn, caplog: pytest.LogCaptureFixture
) -> None:
    standin.script(gemini.error(500, "INTERNAL", "Sorry."), call="delete")
    assert (await big_style(provider)).data == gemini.PICTURE
    await provider.close()
    assert "deleting an uploaded picture at Gemini failed" in caplog.text


async def test_an_upload_that_never_arrived_needs_no_deletion(
    provider: GeminiProvider, standin: GeminiStandIn, caplog: pytest.LogCaptureFixture
) -> None:
    standin.script(gemini.error(503, "UNAVAILABLE", "Later."), call="start")
    with pytest.raises(Down):
        await big_style(provider)
    await provider.close()
    assert "deleting an uploaded picture at Gemini failed" not in caplog.text


@pytest.mark.parametrize(
    ("behaviour", "verdict"),
    [
        (Answer(500, b"sorry"), Down),
        (Answer(200, b""), Retryable),
        (gemini.error(401, "UNAUTHENTICATED", "No."), NotConfigured),
        (gemini.rate_limited(delay="9s"), Retryable),
        (server.reset, Down),
        (server.json_answer({"file": {"name": "files/x"}}, headers={"X-Goog-Upload-Status": "final"}), Retryable),
        (server.json_answer([], headers={"X-Goog-Upload-Status": "final"}), Retryable),
    ],
)
async def test_a_broken_upload_is_tried_once(
    provider: GeminiProvider, standin: GeminiStandIn, behaviour: Behaviour | Answer, verdict: type[ProviderError]
) -> None:
    standin.script(behaviour, call="upload")
    with pytest.raises(ProviderError) as raised:
        await big_style(provider)
    assert type(raised.value) is verdict
    assert len(standin.calls("upload")) == 1
