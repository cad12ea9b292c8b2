"""Requests to the `gemini` provider and looks at what it sent, as its tests need them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from photochanger.adapters.providers.gemini.provider import GeminiProvider
from photochanger.core.domain.media import Picture
from photochanger.core.ports.provider import ProviderError, ProviderRequest

from tests.support import photos
from tests.support.standins.gemini import KEY, GeminiStandIn

PHOTO = Picture(photos.jpeg(320, 240), "image/jpeg", 320, 240)
STYLE = Picture(photos.png(64, 64), "image/png", 64, 64)
EDIT = {"prompt": "An oil painting of this."}


async def no_reference(reference: str) -> None:
    raise AssertionError("the gemini provider has no references")


def asked(
    operation_id: str = "image_edit",
    settings: Mapping[str, Any] = EDIT,
    *,
    photo: Picture = PHOTO,
    templates: Mapping[str, Picture] | None = None,
    within: timedelta = timedelta(minutes=3),
) -> ProviderRequest:
    return ProviderRequest(
        job_id=UUID(int=1),
        operation_id=operation_id,
        settings=settings,
        photo=photo,
        until=datetime.now(UTC) + within,
        note_reference=no_reference,
        templates=templates or {},
    )


async def error_of(provider: GeminiProvider, request: ProviderRequest | None = None) -> ProviderError:
    """What the provider raises; nothing of the answer may hang on it, for a log would show that too."""
    with pytest.raises(ProviderError) as raised:
        await provider.process(request or asked())
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None
    assert KEY not in raised.value.reason
    return raised.value


def sent_parts(standin: GeminiStandIn) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = standin.calls()[-1].json()["contents"][0]["parts"]
    return parts


def large(size_bytes: int) -> Picture:
    """A picture of about this size: what follows the end of a JPEG is ignored."""
    return Picture(PHOTO.data + bytes(size_bytes), "image/jpeg", 320, 240)
