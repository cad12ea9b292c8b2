"""The settings of the provider `http`: what is refused before anything is sent, and the form that they make."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import jsonschema
import pytest
from photochanger.adapters.providers.http.provider import HttpProvider
from photochanger.core.domain.errors import InvalidSettings
from photochanger.core.ports.provider import Rejected

from tests.support.standins.calls import FixedContext, provider_request
from tests.support.standins.studio import StudioStandIn

pytestmark = pytest.mark.anyio


@pytest.fixture
async def studio() -> AsyncIterator[StudioStandIn]:
    async with StudioStandIn() as running:
        yield running
        assert running.refused == []


@pytest.fixture
def context() -> FixedContext:
    return FixedContext(private_hosts=("127.0.0.1",))


@pytest.fixture
async def provider(context: FixedContext) -> AsyncIterator[HttpProvider]:
    made = HttpProvider(context)
    yield made
    await made.close()


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({}, "url"),
        ({"url": "studio/render"}, "url"),
        ({"url": "ftp://studio.example/"}, "url"),
        ({"url": "http://user:word@studio.example/"}, "url"),
        ({"url": "http://studio.example:99999/"}, "url"),
        ({"url": "http://studio.example/\n"}, "url"),
        ({"url": "http://[::1"}, "url"),
        ({"body": "json"}, "body"),
        ({"file_field": 'a"b'}, "file_field"),
        ({"file_field": "style"}, "file_field"),
        ({"prompt_field": "file"}, "prompt_field"),
        ({"fields": {"file": "x"}}, "fields.file"),
        ({"fields": {"face": "x"}}, "fields.face"),
        ({"prompt": "p", "fields": {"prompt": "x"}}, "fields.prompt"),
        ({"fields": {"n": 1}}, "fields"),
        ({"fields": {str(number): "" for number in range(33)}}, "fields"),
        *(({"headers": {name: "x"}}, f"headers.{name}") for name in ("Host", "content-length", "Content-Type")),
        *(({"headers": {name: "x"}}, f"headers.{name}") for name in ("Transfer-Encoding", "Connection", "TE")),
        *(({"headers": {name: "x"}}, f"headers.{name}") for name in ("Authorization", "Proxy-Authorization")),
        ({"key_header": "X-Key", "headers": {"x-key": "x"}}, "headers.x-key"),
        ({"headers": {"X-A": "x", "x-a": "y"}}, "headers.x-a"),
        ({"headers": {"X-A": "b\r\nX-Evil: 1"}}, "headers"),
        ({"headers": {"X-A": "b\n"}}, "headers.X-A"),
        ({"headers": {"X-A\n": "b"}}, "headers.X-A\n"),
        ({"headers": {"X A": "b"}}, "headers"),
        ({"headers": {"X-A": "ü"}}, "headers"),
        ({"key_header": "Host"}, "key_header"),
        ({"key_header": "X-A\n"}, "key_header"),
        ({"key_prefix": "Bearer\r\nX-Evil: 1 "}, "key_prefix"),
        ({"model": "x"}, "model"),
    ],
)
async def test_settings_that_do_not_fit_are_named(
    provider: HttpProvider, studio: StudioStandIn, settings: dict[str, Any], field: str
) -> None:
    whole = settings if field == "url" else {"url": f"{studio.url}/render", **settings}
    with pytest.raises(InvalidSettings) as raised:
        provider.check_settings("image_edit", whole)
    assert [error.field for error in raised.value.errors] == [field]
    with pytest.raises(Rejected):
        await provider.process(provider_request("image_edit", whole))
    assert studio.received == []


async def test_an_operation_that_there_is_not_is_refused(provider: HttpProvider) -> None:
    with pytest.raises(InvalidSettings):
        provider.check_settings("upscale", {"url": "https://studio.example/"})
    with pytest.raises(Rejected, match="upscale"):
        await provider.process(provider_request("upscale", {"url": "https://studio.example/"}))


def test_what_it_says_of_itself_makes_a_form() -> None:
    info = HttpProvider(FixedContext()).info
    assert (info.id, info.needs_key, info.needs_public_url) == ("http", False, False)
    (operation,) = info.operations
    schema = operation.settings_schema
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["required"] == ["url"]
    assert all(field["title"] and field["description"] for field in schema["properties"].values())
    assert (operation.prompts, operation.template_roles) == (("prompt",), ("style", "face", "frame"))
    for example in schema["properties"]["url"]["examples"]:
        jsonschema.validate({"url": example}, schema)
        HttpProvider(FixedContext()).check_settings("image_edit", {"url": example})
