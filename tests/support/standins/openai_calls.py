"""Requests to the `openai` provider and looks at what it sent, as its tests need them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from photochanger.adapters.providers.openai.provider import OpenAIProvider
from photochanger.core.domain.media import Picture
from photochanger.core.ports.provider import ProviderError, ProviderRequest

from tests.support import photos
from tests.support.standins import openai
from tests.support.standins.openai import KEY, OpenAIStandIn

PHOTO = Picture(photos.jpeg(320, 240), "image/jpeg", 320, 240)
STYLE = Picture(photos.png(64, 64), "image/png", 64, 64)
FACE = Picture(photos.webp(48, 48), "image/webp", 48, 48)
EDIT = {"prompt": "An oil painting of this."}


async def no_reference(reference: str) -> None:
    raise AssertionError("the openai provider has no references")


def asked(
    settings: Mapping[str, Any] = EDIT,
    *,
    photo: Picture = PHOTO,
    templates: Mapping[str, Picture] | None = None,
    within: timedelta = timedelta(minutes=3),
) -> ProviderRequest:
    return ProviderRequest(
        job_id=UUID(int=1),
        operation_id="image_edit",
        settings=settings,
        photo=photo,
        until=datetime.now(UTC) + within,
        note_reference=no_reference,
        templates=templates or {},
    )


async def error_of(provider: OpenAIProvider, request: ProviderRequest | None = None) -> ProviderError:
    """What the provider raises; nothing of the answer may hang on it, for a log would show that too."""
    with pytest.raises(ProviderError) as raised:
        await provider.process(request or asked())
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None
    assert KEY not in raised.value.reason
    return raised.value


def sent_texts(standin: OpenAIStandIn) -> dict[str, str]:
    return {part.name: part.value for part in openai.form_parts(standin.calls()[-1]) if part.filename is None}


def sent_files(standin: OpenAIStandIn) -> list[bytes]:
    return [part.raw for part in openai.form_parts(standin.calls()[-1]) if part.filename is not None]
