"""The port to image services: what a provider declares, is asked to do, and may return."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, Protocol
from uuid import UUID

import msgspec

from ..domain.costs.call_cost import CallCost, ModelInfo, Price
from ..domain.errors import ConfigurationError
from ..domain.media import Picture, PictureNeeds
from ..domain.outside_text import cut
from ..domain.routing.failure_cause import FailureCause
from ..domain.routing.provider_check import ProviderFinding, ProviderFindingCode
from ..domain.routing.provider_usage import ProviderLimit
from ..domain.slots.slot import RouteEntry


class OperationInfo(msgspec.Struct, frozen=True, kw_only=True):
    """An operation of a provider.

    Attributes:
        settings_schema: the JSON Schema of its settings.
        needs: the photos that it accepts.
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
    """The description of a provider.

    Attributes:
        needs_public_url: it fetches photo and templates by URL: requests carry `photo_url` and `template_urls`.
        needs_key: it requires an API key.
        on_this_machine: its calls never leave this machine: no limits, no circuit breaker, no health.
        max_concurrent, per_minute, per_day: its default limits; None: no limit.
        models, prices: what is known of its models without asking the service; the operator may override both.
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
    models: tuple[ModelInfo, ...] = ()
    prices: tuple[Price, ...] = ()

    @property
    def limit(self) -> ProviderLimit:
        """The default limits."""
        return ProviderLimit(max_concurrent=self.max_concurrent, per_minute=self.per_minute, per_day=self.per_day)

    def operation(self, operation_id: str) -> OperationInfo | None:
        """Return the operation with this id, or None."""
        return next((operation for operation in self.operations if operation.id == operation_id), None)


class ProviderRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One call.

    Attributes:
        settings: the entry's settings, prompts filled in.
        photo, templates: upright, without location metadata, within the operation's needs; templates by setting key.
        photo_url, template_urls: public links to the same, for a provider that `needs_public_url`; they end with the
            job.
        until: when the call is cancelled, by the clock of this machine; a later answer is useless.
        reference: the provider's id of earlier work on this route entry, to be resumed.
        note_reference: saves such an id, so that another worker can resume when this one dies.
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
    """A provider's answer: a picture, which the core normalises, and remarks for the processing log.

    Remarks are plain JSON values without secrets and picture bytes; long ones are cut.

    Attributes:
        cost: what the call costs; None where nothing is known of it.
        model, seed: the version of the model and the seed that made the picture, where the service names or accepts
            them.
    """

    data: bytes
    remarks: dict[str, Any] = {}
    cost: CallCost | None = None
    model: str | None = None
    seed: int | None = None

    def __repr__(self) -> str:
        return f"ProviderResult({len(self.data)} bytes)"


class ProviderError(Exception):
    """Base of what a provider may raise. `reason` goes to the processing log, cut: no secrets, no picture bytes.

    Attributes:
        verdict: its CallOutcome in the processing log.
        code: the error code of a job that ends with it.
        cost: what the failed call costs; None: nothing is known, and the ledger counts it as not charged.
        cause: the reason as a code; without one, the `usual_cause` of the class.
    """

    verdict: ClassVar[str] = "unavailable"
    code: ClassVar[str] = "provider_failed"
    usual_cause: ClassVar[FailureCause] = FailureCause.UNAVAILABLE

    def __init__(self, reason: str, *, cost: CallCost | None = None, cause: FailureCause | None = None) -> None:
        reason = cut(reason)
        super().__init__(reason)
        self.reason = reason
        self.cost = cost
        self.cause = cause or self.usual_cause


class Retryable(ProviderError):
    """The entry may be retried: an answer without a picture, a rate limit. `after`: the minimum pause."""

    verdict = "retryable"
    usual_cause = FailureCause.NO_PICTURE

    def __init__(
        self,
        reason: str,
        *,
        after: timedelta | None = None,
        cost: CallCost | None = None,
        cause: FailureCause | None = None,
    ) -> None:
        super().__init__(reason, cost=cost, cause=cause or (None if after is None else FailureCause.BUSY))
        self.after = after


class Down(Retryable):
    """The provider itself fails: network, 5xx, no answer. Retryable; several in a row open its circuit breaker."""

    verdict = "down"
    usual_cause = FailureCause.SERVICE_FAILED


class Rejected(ProviderError):
    """Final for this entry: the provider will not do this, also when retried."""

    verdict = "rejected"
    usual_cause = FailureCause.REFUSED


class Unavailable(ProviderError):
    """The provider cannot be used now; the route goes on with the next entry."""


class QuotaExhausted(Unavailable):
    """The account's quota is exhausted for longer than a job can wait."""

    verdict = "quota"
    usual_cause = FailureCause.QUOTA_EXHAUSTED


class NotConfigured(Unavailable):
    """A setting that the provider requires is missing: its key, the address of public links.

    `finding` says which, for a check of the provider.
    """

    verdict = "not_configured"
    code = "provider_not_configured"

    def __init__(
        self,
        reason: str,
        *,
        cost: CallCost | None = None,
        cause: FailureCause | None = None,
        finding: ProviderFindingCode = ProviderFindingCode.NOT_CONFIGURED,
    ) -> None:
        super().__init__(reason, cost=cost, cause=cause or FailureCause(finding))
        self.finding = finding


class WrongModelsFile(ConfigurationError):
    """A file of models cannot be used; a factory that raises it refuses the start."""

    def __init__(self, path: Path, detail: str) -> None:
        super().__init__("PHOTOCHANGER_MODELS_DIR", f"{path.name}: {detail}")


class ProviderContext(Protocol):
    """What the service gives to one provider."""

    @property
    def base_url(self) -> str | None:
        """The address that replaces the service's own, if the operator set one."""
        ...

    @property
    def private_hosts(self) -> tuple[str, ...]:
        """Private host names, addresses and networks (CIDR) that may be reached."""
        ...

    @property
    def models_file(self) -> Path | None:
        """The operator's changes to the provider's models and prices, in JSON; see adapters.providers.catalogue."""
        ...

    async def key(self) -> str | None:
        """Return the provider's current API key; None if not set. Raises NotConfigured if it cannot be read."""
        ...


class Provider(Protocol):
    """An adapter to an image service."""

    @property
    def info(self) -> ProviderInfo: ...

    def check_settings(self, operation_id: str, settings: Mapping[str, Any]) -> None:
        """Raise InvalidSettings with the fields that do not fit the operation's schema."""
        ...

    def expected_cost(self, operation_id: str, settings: Mapping[str, Any]) -> CallCost | None:
        """Return what a call with these settings will probably cost, as an estimate; None where nothing is known.

        Budgets are enforced with it before a call. Settings that do not fit: None.
        """
        ...

    async def process(self, request: ProviderRequest) -> ProviderResult:
        """Do the work once, without retries: these are up to the route.

        Raises Retryable, Down, Rejected or Unavailable. Settings that do not fit are Rejected: a job's copy of them may
        be older than the provider. Cancellation stops the call.
        """
        ...

    async def diagnose(self, used: Collection[RouteEntry]) -> list[ProviderFinding]:
        """Ask the service whether these entries of slots could be served; one finding per problem, none if all works.

        Such as a key that is missing or refused, or a model that the service does not know. Never makes a picture.
        """
        ...

    async def close(self) -> None:
        """Close connections and threads."""
        ...


ProviderFactory = Callable[[ProviderContext], Provider]
"""Makes a provider; an entry point of the group `photochanger.providers` names one."""
