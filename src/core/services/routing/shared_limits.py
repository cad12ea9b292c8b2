"""The limits and the health that all workers share, as the calls of one job use them: an outage of the database costs
a moment and a warning, but no call."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Mapping
from datetime import timedelta
from typing import TypeVar

from ...domain.errors import QueueUnavailable
from ...domain.job import Claim
from ...domain.routing.provider_usage import Admission, ProviderHealth, ProviderLimit
from ...ports.clock import Clock
from ...ports.provider_limits import ProviderLimits
from ..providers.status_cache import ProviderStatusCache
from ..settings.service import SettingsService
from .entry_state import EntryState
from .outcome import CallReport

_log = logging.getLogger("photochanger.routing")

_T = TypeVar("_T")

_TIMEOUT = timedelta(seconds=2)
"""How long a job waits for a database that hangs, before it goes on without it."""


class SharedLimits:
    """Asks and reports; no method raises QueueUnavailable."""

    def __init__(self, limits: ProviderLimits, settings: SettingsService, clock: Clock) -> None:
        self._limits = limits
        self._settings = settings
        self._clock = clock
        self._status = ProviderStatusCache(limits, clock)

    async def health(self, claim: Claim) -> Mapping[str, ProviderHealth] | None:
        """Return the health of providers by id; None where it cannot be read."""
        try:
            return await self._in_time(self._status.current())
        except QueueUnavailable as error:
            _log.warning("job %s runs without the providers' health: %s", claim.job.id, error.detail)
            return None

    async def allowed(self, claim: Claim) -> Mapping[str, ProviderLimit]:
        """Return the limits that an administrator has set, by provider id."""
        try:
            return (await self._settings.current()).provider_limits
        except QueueUnavailable as error:
            _log.warning("job %s uses the providers' default limits: %s", claim.job.id, error.detail)
            return {}

    async def admit(self, claim: Claim, state: EntryState) -> Admission:
        """Ask for one call to an entry; granted where nothing answers."""
        provider_id = state.entry.provider_id
        try:
            asking = self._limits.acquire(claim, provider_id, entry=state.index, limit=state.limit)
            return await self._in_time(asking)
        except QueueUnavailable as error:
            _log.warning("job %s calls %s without its limits: %s", claim.job.id, provider_id, error.detail)
            return Admission()

    async def report(self, claim: Claim, report: CallReport) -> None:
        """Record how a call ended."""
        try:
            await self._in_time(
                self._limits.release(claim, report.provider_id, entry=report.entry, report=report.record)
            )
        except QueueUnavailable as error:
            _log.warning("call to %s not recorded in its health: %s", report.provider_id, error.detail)

    def forget_health(self) -> None:
        """Read the health again the next time: a call has failed."""
        self._status.forget()

    async def _in_time(self, asking: Awaitable[_T]) -> _T:
        try:
            async with self._clock.timeout_at(self._clock.now() + _TIMEOUT):
                return await asking
        except TimeoutError:
            raise QueueUnavailable("The database did not answer in time.") from None
