"""The limits, breakers and figures of providers, which hold across all workers of all hosts."""

from __future__ import annotations

from typing import Protocol

from ..domain.job import Claim
from ..domain.provider_usage import (
    Admission,
    CallRecord,
    ProviderHealth,
    ProviderLimit,
)


class ProviderLimits(Protocol):
    """Admits calls one by one and learns how they went. Every method may raise QueueUnavailable.

    Time is the same as the queue's. The rules are those of `core.providers`.
    """

    async def acquire(self, claim: Claim, provider_id: str, *, entry: int, limit: ProviderLimit) -> Admission:
        """Ask for one call to the provider, for the route entry of this number.

        Where it is granted under a bound on concurrent calls, it counts as under way until `release`, the job's end, or
        the end of the claim's lease, whatever comes first. A claim that is not the job's newest any more gets nothing.
        A place that `acquire` kept for the job's first entry is used by it. The limits hold exactly: under any number
        of concurrent calls no more are granted than `limit` allows.
        """
        ...

    async def release(self, claim: Claim, provider_id: str, *, entry: int, report: CallRecord) -> None:
        """Note that the call has ended, and how; its place is free again."""
        ...

    async def standings(self) -> dict[str, ProviderHealth]:
        """How each provider is doing that was ever asked, by its id."""
        ...
