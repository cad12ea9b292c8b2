"""What the service gives a provider: a context, and a request, as the tests of remote providers need them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from photochanger.core.domain.media import Picture
from photochanger.core.ports.provider import ProviderRequest

from tests.support import photos

PHOTO = Picture(photos.jpeg(96, 64), "image/jpeg", 96, 64)
STYLE = Picture(photos.png(40, 40), "image/png", 40, 40)
FACE = Picture(photos.webp(48, 48), "image/webp", 48, 48)


class FixedContext:
    """A ProviderContext that says what the test says; `secret` can be changed between two calls."""

    def __init__(
        self,
        *,
        secret: str | None = None,
        base_url: str | None = None,
        private_hosts: tuple[str, ...] = (),
        models_file: Path | None = None,
    ) -> None:
        self.secret = secret
        self.base_url = base_url
        self.private_hosts = private_hosts
        self.models_file = models_file

    async def key(self) -> str | None:
        return self.secret


class References:
    """What a provider has noted, in the order in which it did."""

    def __init__(self) -> None:
        self.noted: list[str] = []

    async def note(self, reference: str) -> None:
        self.noted.append(reference)


def provider_request(
    operation_id: str,
    settings: Mapping[str, Any] | None = None,
    *,
    seconds: float = 180,
    references: References | None = None,
    **others: Any,
) -> ProviderRequest:
    """A request for the photo, with so many seconds left."""
    fields: dict[str, Any] = {
        "job_id": UUID(int=7),
        "operation_id": operation_id,
        "settings": dict(settings or {}),
        "photo": PHOTO,
        "until": datetime.now(UTC) + timedelta(seconds=seconds),
        "note_reference": (references or References()).note,
    }
    return ProviderRequest(**fields | others)
