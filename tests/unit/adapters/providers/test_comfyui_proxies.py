"""The provider `comfyui` behind a proxy, at a wrong address, or with a wrong key."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import pytest
from photochanger.adapters.providers.comfyui.provider import ComfyuiProvider
from photochanger.core.ports.provider import Down, NotConfigured, ProviderError, Rejected, Retryable, Unavailable

from tests.support.standins.calls import FixedContext
from tests.support.standins.comfyui import ComfyuiStandIn
from tests.support.standins.comfyui_calls import KEY, TICK, comfyui, error_of, service
from tests.support.standins.server import Answer, flood, html, json_answer

pytestmark = pytest.mark.anyio

__all__ = ["comfyui", "service"]


PROXY: dict[str, tuple[Any, type[ProviderError], str]] = {
    "401": (Answer(401, b"Unauthorized"), NotConfigured, "Set the key of the provider comfyui"),
    "403": (html(403), NotConfigured, "(403)"),
    "login page": (html(), NotConfigured, "asks for a login"),
    "to a login": (Answer(302, b"", {"Location": "https://login.example/"}), NotConfigured, "asks for a login"),
    "413": (html(413), Rejected, "client_max_body_size"),
    "429": (Answer(429, b"", {"Retry-After": "3"}), Retryable, "limits requests"),
    "502": (html(502), Down, "(502)"),
    "504": (html(504), Down, "(504)"),
    "404": (Answer(404, b"404: Not Found"), NotConfigured, "no ComfyUI at this address"),
    "http to https": (html(400), NotConfigured, "a page"),
    "no JSON": (Answer(200, b"surprise"), Down, "other than JSON"),
    "another JSON": (json_answer({"a": 1}), Retryable, "another shape"),
    "gigantic": (flood(20 * 1024 * 1024, head=b"[", tail=b"]"), Retryable, "too long"),
}


@pytest.mark.parametrize("call", ["upload", "prompt"])
@pytest.mark.parametrize("name", PROXY)
async def test_what_a_proxy_answers_is_named(
    service: ComfyuiStandIn, comfyui: ComfyuiProvider, name: str, call: str
) -> None:
    behaviour, kind, words = PROXY[name]
    service.script(behaviour, call=call)
    error = await error_of(comfyui)
    assert type(error) is kind
    assert words.lower() in error.reason.lower()
    if isinstance(error, Retryable) and name == "429":
        assert error.after == timedelta(seconds=3)


async def test_a_wrong_key_is_named_and_shown_to_nobody(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with ComfyuiStandIn() as service:
        service.auth = ("Authorization", "Bearer another")
        provider = ComfyuiProvider(FixedContext(secret=KEY, base_url=service.url), poll_interval=TICK)
        assert type(await error_of(provider)) is NotConfigured
        await provider.close()
    assert KEY not in caplog.text


async def test_a_host_that_is_not_there_is_down() -> None:
    provider = ComfyuiProvider(FixedContext(base_url="http://127.0.0.1:9"), poll_interval=TICK)
    assert type(await error_of(provider)) is Down
    await provider.close()


@pytest.mark.parametrize("url", ["http://192.168.1.20:99999", "ftp://box", "http://user@127.0.0.1/"])
async def test_an_unusable_address_is_named(url: str) -> None:
    provider = ComfyuiProvider(FixedContext(base_url=url), poll_interval=TICK)
    assert isinstance(await error_of(provider), Unavailable)
    await provider.close()
