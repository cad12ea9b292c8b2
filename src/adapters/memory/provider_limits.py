"""The ProviderLimits port, by the rules of the core, and the ProviderCheckRepository port in memory."""

from __future__ import annotations

from ...core.domain.job import Claim, JobState
from ...core.domain.routing.provider_check import ProviderCheck
from ...core.domain.routing.provider_usage import (
    PERMIT_POLL,
    Admission,
    CallRecord,
    LimitKind,
    ProviderHealth,
    ProviderLimit,
    Usage,
    admit_call,
    health_of,
    record_call,
)
from .database import MemoryDatabase


class MemoryProviderLimits:
    """Usage by provider and permits by live job, in the queue's database."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._db = database

    async def acquire(self, claim: Claim, provider_id: str, *, entry: int, limit: ProviderLimit) -> Admission:
        permit = (provider_id, entry)
        if not self._is_newest(claim):
            return Admission(LimitKind.CONCURRENCY, PERMIT_POLL)
        permits = self._db.permits.setdefault(claim.job.id, set())
        taken = self._db.permits_taken(provider_id) - (permit in permits)
        usage, admission = admit_call(
            self._db.usage.get(provider_id, Usage()), limit, now=self._db.clock.now(), permits_taken=taken
        )
        self._db.usage[provider_id] = usage
        permits.discard(permit)
        if admission.granted and limit.max_concurrent is not None:
            permits.add(permit)
        return admission

    async def release(self, claim: Claim, provider_id: str, *, entry: int, report: CallRecord) -> None:
        if self._is_newest(claim):
            self._db.permits.get(claim.job.id, set()).discard((provider_id, entry))
        usage = self._db.usage.get(provider_id, Usage())
        self._db.usage[provider_id] = record_call(usage, report, now=self._db.clock.now())

    async def health(self) -> dict[str, ProviderHealth]:
        now = self._db.clock.now()
        return {provider_id: health_of(usage, now=now) for provider_id, usage in self._db.usage.items()}

    def _is_newest(self, claim: Claim) -> bool:
        job = self._db.jobs.get(claim.job.id)
        return job is not None and job.state is JobState.PROCESSING and job.attempt == claim.attempt


class MemoryProviderCheckRepository:
    """Checks by provider id."""

    def __init__(self) -> None:
        self._last: dict[str, ProviderCheck] = {}

    async def put(self, check: ProviderCheck) -> None:
        known = self._last.get(check.provider_id)
        if known is None or known.checked_at <= check.checked_at:
            self._last[check.provider_id] = check

    async def all(self) -> list[ProviderCheck]:
        return [self._last[provider_id] for provider_id in sorted(self._last)]
