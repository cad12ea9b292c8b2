"""Calls of the provider `turbotext` to its stand-in: fixtures and steps that its tests share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from photochanger.adapters.providers.turbotext.provider import TurbotextProvider
from photochanger.core.ports.provider import ProviderError, ProviderResult

from tests.support.standins.calls import FACE, STYLE, FixedContext, provider_request
from tests.support.standins.server import Answer, json_answer
from tests.support.standins.turbotext import KEY, TurbotextStandIn

PHOTO_URL = "https://booth.example/public/media/photo-0198.jpg"
STYLE_URL = "https://booth.example/public/media/style-0198.png"
FACE_URL = "https://booth.example/public/media/face-0198.webp"
LINKS: dict[str, Any] = {
    "photo_url": PHOTO_URL,
    "templates": {"style": STYLE, "face": FACE},
    "template_urls": {"style": STYLE_URL, "face": FACE_URL},
}
PROMPT = {"prompt": "An oil painting of Ада & Ben"}
TICK = timedelta(milliseconds=1)


@pytest.fixture
async def service() -> AsyncIterator[TurbotextStandIn]:
    async with TurbotextStandIn() as running:
        yield running
        assert running.refused == []


@pytest.fixture
def context(service: TurbotextStandIn) -> FixedContext:
    return FixedContext(secret=KEY, base_url=service.url, private_hosts=("127.0.0.1",))


@pytest.fixture
async def turbotext(context: FixedContext) -> AsyncIterator[TurbotextProvider]:
    provider = TurbotextProvider(context, poll_interval=TICK)
    yield provider
    await provider.close()


async def edited(turbotext: TurbotextProvider, **others: Any) -> ProviderResult:
    return await turbotext.process(provider_request("image_edit", PROMPT, **{**LINKS, **others}))


async def error_of(turbotext: TurbotextProvider, **others: Any) -> ProviderError:
    with pytest.raises(ProviderError) as raised:
        await edited(turbotext, **others)
    assert KEY not in str(raised.value)
    return raised.value


class TurbotextControls:
    """The ServiceControls of the stand-in. The service has no call that cancels, and does not notice who leaves."""

    def __init__(self, service: TurbotextStandIn) -> None:
        self._service = service
        self._reconnects = service.reconnects
        self._queued_before = 0

    @property
    def submitted(self) -> int:
        return len(self._service.queued)

    async def hold(self) -> None:
        self._queued_before = self.submitted
        self._service.reconnects = 10**9

    async def has_begun(self) -> None:
        await self._service.until(lambda: self.submitted > self._queued_before)

    async def was_given_up(self) -> None:
        raise AssertionError("Turbotext cannot know")

    async def release(self) -> None:
        self._service.reconnects = self._reconnects

    async def refuse(self) -> None:
        forbidden = {"success": True, "error": "", "data": {"forbidden_content": True}}
        self._service.script(json_answer(forbidden), call="poll")

    async def fail(self) -> None:
        self._service.script(Answer(503), call="create")
