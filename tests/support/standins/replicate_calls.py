"""Fixtures of the tests of the provider `replicate`, and calls to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any

import pytest
from photochanger.adapters.providers.queued import Pace
from photochanger.adapters.providers.replicate.provider import ReplicateProvider
from photochanger.core.ports.provider import ProviderError, ProviderResult

from .calls import FixedContext, provider_request
from .replicate import KEY, ReplicateStandIn

TICK = Pace(first=timedelta(milliseconds=1), longest=timedelta(milliseconds=2))
PROMPT = {"prompt": "An oil painting of Ада & Ben"}


@pytest.fixture
async def service() -> AsyncIterator[ReplicateStandIn]:
    async with ReplicateStandIn() as running:
        yield running
        assert running.refused == []
        assert running.delivery.refused == []
        assert running.files == {}


@pytest.fixture
def context(service: ReplicateStandIn) -> FixedContext:
    return FixedContext(secret=KEY, base_url=service.base_url, private_hosts=("127.0.0.1",))


@pytest.fixture
async def replicate(context: FixedContext) -> AsyncIterator[ReplicateProvider]:
    provider = ReplicateProvider(context, pace=TICK)
    yield provider
    await provider.close()


async def edited(
    replicate: ReplicateProvider,
    settings: Mapping[str, Any] | None = None,
    *,
    operation_id: str = "image_edit",
    **others: Any,
) -> ProviderResult:
    return await replicate.process(provider_request(operation_id, {**PROMPT, **(settings or {})}, **others))


async def error_of(
    replicate: ReplicateProvider, settings: Mapping[str, Any] | None = None, **others: Any
) -> ProviderError:
    """What the provider raises; nothing of the answer may hang on it, for a log would show that too."""
    with pytest.raises(ProviderError) as raised:
        await edited(replicate, settings, **others)
    assert KEY not in str(raised.value)
    assert raised.value.__cause__ is None
    return raised.value
