"""Image services as the core sees them: what a provider declares of itself, is asked, and may answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar, Protocol
from uuid import UUID

import msgspec

from ..domain.media import Picture, PictureNeeds
from ..domain.provider_usage import ProviderLimit
from ..domain.slot import RouteEntry


class OperationInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a provider can do.

    Attributes:
        settings_schema: the JSON Schema of its settings.
        needs: what it accepts of a photo.
        template_roles: the setting keys that take template media.
        prompts: the settings whose text may hold `{field}`, filled from the request's metadata.
    """

    id: str
    title: str
    settings_schema: dict[str, Any]
    needs: PictureNeeds
    template_roles: tuple[str, ...] = ()
    prompts: tuple[str, ...] = ()


class ProviderInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider declares of itself.

    Attributes:
        needs_public_url: it fetches photo and templates by URL: requests carry `photo_url` and `template_urls`.
        needs_key: it cannot be used without a secret.
        on_this_machine: its calls leave this machine for nothing: no limit, no breaker, no health is kept of them.
        max_concurrent, per_minute, per_day: its limits until an administrator sets others; None: no limit.
    """

    id: str
    title: str
    operations: tuple[OperationInfo, ...]
    needs_public_url: bool = False
    needs_key: bool = False
    on_this_machine: bool = False
    max_concurrent: int | None = None
    per_minute: int | None = None
    per_day: int | None = None

    @property
    def limit(self) -> ProviderLimit:
        """The limits that the provider declares itself."""
        return ProviderLimit(max_concurrent=self.max_concurrent, per_minute=self.per_minute, per_day=self.per_day)

    def operation(self, operation_id: str) -> OperationInfo | None:
        """The operation of this id, None if there is none."""
        return next((operation for operation in self.operations if operation.id == operation_id), None)


class ProviderRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One call.

    Attributes:
        settings: the entry's settings, prompts filled in.
        photo, templates: upright, without location metadata, within the operation's needs; templates by setting key.
        photo_url, template_urls: public links to the same, for a provider that `needs_public_url`; gone with the job.
        until: the moment after which an answer is worth nothing. The call is cancelled then.
        reference: the provider's own name of earlier work on this very route entry, to be gone on with.
        note_reference: saves such a name, so that another worker can go on when this one dies.
    """

    job_id: UUID
    operation_id: str
    settings: Mapping[str, Any]
    photo: Picture
    until: datetime
    note_reference: Callable[[str], Awaitable[None]]
    templates: Mapping[str, Picture] = {}
    photo_url: str | None = None
    template_urls: Mapping[str, str] = {}
    reference: str | None = None


class ProviderResult(msgspec.Struct, frozen=True):
    """What came back: bytes that claim to be a picture (the core verifies that) and the provider's own remarks.

    Remarks go to the processing log: plain JSON values, no secrets, no picture bytes.
    """

    data: bytes
    remarks: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f"ProviderResult({len(self.data)} bytes)"


class ProviderError(Exception):
    """Base of what a provider may raise. `reason` goes to the processing log: no secrets, no picture bytes.

    Attributes:
        verdict: what the processing log calls it.
        code: the code that a job ends with when nothing else was left to try.
    """

    verdict: ClassVar[str] = "unavailable"
    code: ClassVar[str] = "provider_failed"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Retryable(ProviderError):
    """Worth another try of the same entry: an answer without a picture, a rate limit. `after`: not sooner than that."""

    verdict = "retryable"

    def __init__(self, reason: str, *, after: timedelta | None = None) -> None:
        super().__init__(reason)
        self.after = after


class Down(Retryable):
    """The provider itself fails: network, 5xx, no answer. Retryable; several in a row open its circuit breaker."""

    verdict = "down"


class Rejected(ProviderError):
    """Final for this entry: the provider will not do this, however often it is asked."""

    verdict = "rejected"


class Unavailable(ProviderError):
    """The provider cannot be used now: go on with the next entry."""


class QuotaExhausted(Unavailable):
    """The account's quota is used up for longer than a job can wait."""

    verdict = "quota"


class NotConfigured(Unavailable):
    """Something that the provider needs is not set: its key, the address of public links."""

    verdict = "not_configured"
    code = "provider_not_configured"


class ProviderContext(Protocol):
    """What a provider gets from the service that it runs in; made for one provider."""

    @property
    def base_url(self) -> str | None:
        """Another address of the service than its own, where the operator set one."""
        ...

    @property
    def private_hosts(self) -> tuple[str, ...]:
        """Host names, addresses and networks (CIDR) that may be reached although they are private."""
        ...

    async def key(self) -> str | None:
        """The provider's secret as it is set right now; None where it is not. NotConfigured if it cannot be read."""
        ...


class Provider(Protocol):
    """An adapter to an image service."""

    @property
    def info(self) -> ProviderInfo: ...

    def check_settings(self, operation_id: str, settings: Mapping[str, Any]) -> None:
        """Raise InvalidSettings, field by field, where the settings do not fit the operation's schema."""
        ...

    async def process(self, request: ProviderRequest) -> ProviderResult:
        """Do the work once, without retries of its own: how often is the route's to decide.

        Raises Retryable, Down, Rejected or Unavailable. Settings that do not fit are Rejected: a job's copy of them may
        be older than the provider. Cancellation stops the call.
        """
        ...

    async def diagnose(self, used: Collection[RouteEntry]) -> list[str]:
        """Ask the service whether these entries of slots could be served; one sentence per problem.

        Such as a key that is missing or refused, or a model that the service does not know. Never makes a picture.
        """
        ...

    async def close(self) -> None:
        """Let go of connections and threads."""
        ...


ProviderFactory = Callable[[ProviderContext], Provider]
"""Makes a provider; what an entry point of the group `photochanger.providers` names."""
