"""The ProviderLimits port in memory, by the rules of the core."""

from __future__ import annotations

from ...core.domain.job import Claim, JobState
from ...core.domain.provider_usage import (
    PLACE_POLL,
    Admission,
    Block,
    CallReport,
    ProviderLimit,
    Standing,
    Usage,
    admitted,
    reported,
    standing_of,
)
from .database import MemoryDatabase


class MemoryProviderLimits:
    """Usage by provider and the places of live jobs, in the queue's own database."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._db = database

    async def enter(self, claim: Claim, provider_id: str, *, entry: int, limit: ProviderLimit) -> Admission:
        place = (provider_id, entry)
        if not self._is_newest(claim):
            return Admission(Block.CONCURRENCY, PLACE_POLL)
        places = self._db.places.setdefault(claim.job.id, set())
        taken = self._db.places_taken(provider_id) - (place in places)
        usage, admission = admitted(
            self._db.usage.get(provider_id, Usage()), limit, now=self._db.clock.now(), places_taken=taken
        )
        self._db.usage[provider_id] = usage
        places.discard(place)
        if admission.granted and limit.max_concurrent is not None:
            places.add(place)
        return admission

    async def leave(self, claim: Claim, provider_id: str, *, entry: int, report: CallReport) -> None:
        if self._is_newest(claim):
            self._db.places.get(claim.job.id, set()).discard((provider_id, entry))
        usage = self._db.usage.get(provider_id, Usage())
        self._db.usage[provider_id] = reported(usage, report, now=self._db.clock.now())

    async def standings(self) -> dict[str, Standing]:
        now = self._db.clock.now()
        return {provider_id: standing_of(usage, now=now) for provider_id, usage in self._db.usage.items()}

    def _is_newest(self, claim: Claim) -> bool:
        job = self._db.jobs.get(claim.job.id)
        return job is not None and job.state is JobState.PROCESSING and job.attempt == claim.attempt
