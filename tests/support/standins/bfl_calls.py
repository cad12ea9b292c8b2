"""Calls of the provider `bfl` to its stand-in: fixtures and steps that its tests share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from photochanger.adapters.providers.bfl.provider import BflProvider
from photochanger.adapters.providers.queued import Pace
from photochanger.core.ports.provider import ProviderError, ProviderResult

from tests.support.standins.bfl import KEY, BflStandIn
from tests.support.standins.calls import FixedContext, provider_request

PROMPT = {"prompt": "An oil painting of Ада & Ben"}
QUICK = Pace(first=timedelta(milliseconds=1), longest=timedelta(milliseconds=1))


@pytest.fixture
async def service() -> AsyncIterator[BflStandIn]:
    async with BflStandIn() as running:
        yield running
        assert running.refused == []


@pytest.fixture
def context(service: BflStandIn) -> FixedContext:
    return FixedContext(secret=KEY, base_url=service.url, private_hosts=("127.0.0.1",))


@pytest.fixture
async def bfl(context: FixedContext) -> AsyncIterator[BflProvider]:
    provider = BflProvider(context, pace=QUICK)
    yield provider
    await provider.close()


async def edited(bfl: BflProvider, settings: dict[str, Any] | None = None, **others: Any) -> ProviderResult:
    return await bfl.process(provider_request("image_edit", {**PROMPT, **(settings or {})}, **others))


async def error_of(bfl: BflProvider, settings: dict[str, Any] | None = None, **others: Any) -> ProviderError:
    """What the provider raises; nothing of the answer may hang on it, for a log would show that too."""
    with pytest.raises(ProviderError) as raised:
        await edited(bfl, settings, **others)
    assert KEY not in str(raised.value)
    return raised.value
