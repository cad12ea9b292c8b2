"""Image services as the core sees them: what a provider declares of itself, is asked, and may answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

import msgspec

from ..media import Picture, PictureNeeds


class OperationInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a provider can do.

    `settings_schema` is the JSON Schema of its settings; `template_roles` names the setting keys that take template
    media.
    """

    id: str
    title: str
    settings_schema: dict[str, Any]
    needs: PictureNeeds
    template_roles: tuple[str, ...] = ()


class ProviderInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider declares of itself. `max_concurrent` None: no limit of its own."""

    id: str
    title: str
    operations: tuple[OperationInfo, ...]
    needs_public_url: bool = False
    max_concurrent: int | None = None

    def operation(self, operation_id: str) -> OperationInfo | None:
        """The operation of this id, None if there is none."""
        return next((operation for operation in self.operations if operation.id == operation_id), None)


class ProviderRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One call. `reference` is the provider's own name of earlier work on the same job, `note_reference` saves one.

    `until` is the moment after which an answer is worth nothing.
    """

    job_id: UUID
    operation_id: str
    settings: Mapping[str, Any]
    photo: Picture
    until: datetime
    note_reference: Callable[[str], Awaitable[None]]
    templates: Mapping[str, Picture] = {}
    reference: str | None = None


class ProviderResult(msgspec.Struct, frozen=True):
    """What came back: bytes that claim to be a picture (the core verifies that) and the provider's own remarks."""

    data: bytes
    remarks: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f"ProviderResult({len(self.data)} bytes)"


class ProviderError(Exception):
    """Base of what a provider may raise. `reason` goes to the processing log: no secrets, no picture bytes."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Retryable(ProviderError):
    """Worth another try of the same entry: network, 429, 5xx, an answer without a picture. `after`: not sooner."""

    def __init__(self, reason: str, *, after: timedelta | None = None) -> None:
        super().__init__(reason)
        self.after = after


class Rejected(ProviderError):
    """Final for this entry: the provider will not do this, however often it is asked."""


class Unavailable(ProviderError):
    """The provider cannot be used now (down, quota gone, no key): go on with the next entry."""


class Provider(Protocol):
    """An adapter to an image service."""

    @property
    def info(self) -> ProviderInfo: ...

    def check_settings(self, operation_id: str, settings: Mapping[str, Any]) -> None:
        """Raise InvalidSettings, field by field, where the settings do not fit the operation's schema."""
        ...

    async def process(self, request: ProviderRequest) -> ProviderResult:
        """Do the work; Retryable, Rejected or Unavailable. Cancellation stops the call."""
        ...

    async def close(self) -> None:
        """Let go of connections and threads."""
        ...
