"""Fixtures of the tests of the provider `fal`, and calls to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any

import pytest
from photochanger.adapters.providers.fal.provider import FalProvider
from photochanger.adapters.providers.queued import Pace
from photochanger.core.ports.provider import ProviderError, ProviderResult

from .calls import FixedContext, provider_request
from .fal import KEY, FalStandIn

TICK = Pace(first=timedelta(milliseconds=1), longest=timedelta(milliseconds=2))
PROMPT = {"prompt": "An oil painting of Ада & Ben"}


@pytest.fixture
async def service() -> AsyncIterator[FalStandIn]:
    async with FalStandIn() as running:
        yield running
        assert running.refused == []
        assert running.delivery.refused == []


@pytest.fixture
def context(service: FalStandIn) -> FixedContext:
    return FixedContext(secret=KEY, base_url=service.url, private_hosts=("127.0.0.1",))


@pytest.fixture
async def fal(context: FixedContext) -> AsyncIterator[FalProvider]:
    provider = FalProvider(context, pace=TICK)
    yield provider
    await provider.close()


async def edited(
    fal: FalProvider,
    settings: Mapping[str, Any] | None = None,
    *,
    operation_id: str = "image_edit",
    **others: Any,
) -> ProviderResult:
    return await fal.process(provider_request(operation_id, {**PROMPT, **(settings or {})}, **others))


async def error_of(fal: FalProvider, settings: Mapping[str, Any] | None = None, **others: Any) -> ProviderError:
    """What the provider raises; nothing of the answer may hang on it, for a log would show that too."""
    with pytest.raises(ProviderError) as raised:
        await edited(fal, settings, **others)
    assert KEY not in str(raised.value)
    assert raised.value.__cause__ is None
    return raised.value
