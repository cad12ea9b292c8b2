"""Calls of the provider `comfyui` to its stand-in: fixtures and steps that its tests share."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from photochanger.adapters.providers.comfyui.provider import ComfyuiProvider
from photochanger.core.ports.provider import ProviderError, ProviderResult

from .calls import STYLE, FixedContext, provider_request
from .comfyui import ComfyuiStandIn
from .comfyui_nodes import workflow

KEY = "comfyui-key-5b1e7d"
TICK = timedelta(milliseconds=1)


def settings(graph: Any = None, **others: Any) -> dict[str, Any]:
    """Settings of the operation with this workflow."""
    return {"workflow": json.dumps(workflow() if graph is None else graph)} | others


@pytest.fixture
async def service() -> AsyncIterator[ComfyuiStandIn]:
    async with ComfyuiStandIn() as running:
        yield running
        assert running.refused == []


@pytest.fixture
async def comfyui(service: ComfyuiStandIn) -> AsyncIterator[ComfyuiProvider]:
    provider = ComfyuiProvider(FixedContext(base_url=service.url), poll_interval=TICK)
    yield provider
    await provider.close()


async def made(comfyui: ComfyuiProvider, given: dict[str, Any] | None = None, **others: Any) -> ProviderResult:
    request = provider_request("workflow", given or settings(), **{"templates": {"style": STYLE}, **others})
    return await comfyui.process(request)


async def error_of(comfyui: ComfyuiProvider, given: dict[str, Any] | None = None, **others: Any) -> ProviderError:
    """What the provider raises; nothing of a key, a guest or the machine may be in it."""
    with pytest.raises(ProviderError) as raised:
        await made(comfyui, given, **others)
    for hidden in (KEY, "secret.py", "guest's words"):
        assert hidden not in raised.value.reason
    return raised.value
