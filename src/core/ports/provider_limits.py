"""The limits, circuit breakers and health of providers, shared by all workers of all hosts."""

from __future__ import annotations

from typing import Protocol

from ..domain.job import Claim
from ..domain.routing.provider_usage import Admission, CallRecord, ProviderHealth, ProviderLimit


class ProviderLimits(Protocol):
    """Admits calls one by one and records how they ended, by the rules of `core.domain.provider_usage`.

    Its time is the queue's. Every method may raise QueueUnavailable.
    """

    async def acquire(self, claim: Claim, provider_id: str, *, entry: int, limit: ProviderLimit) -> Admission:
        """Ask for one call to the provider, for the route entry of this index.

        A call admitted under a limit on concurrent calls holds a permit until `release`, the job's end, or the end of
        the claim's lease, whichever comes first. A claim that is not the job's newest is not admitted. A permit that
        the queue's `acquire` reserved for the job's first entry is used by it. The limits are exact: under any number
        of concurrent calls no more are admitted than `limit` allows.
        """
        ...

    async def release(self, claim: Claim, provider_id: str, *, entry: int, report: CallRecord) -> None:
        """Record the end of a call and free its permit."""
        ...

    async def health(self) -> dict[str, ProviderHealth]:
        """Return the health of every provider that was ever called, by its id."""
        ...
