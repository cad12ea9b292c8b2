"""The route engine: runs the route of a claimed job and returns its outcome."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from datetime import datetime

from ...domain.job import Claim
from ...ports.clock import Clock
from ...ports.job_queue import JobQueue
from ...ports.job_repository import JobRepository
from ...ports.provider_limits import ProviderLimits
from ...ports.telemetry import Telemetry
from ..providers.registry import ProviderRegistry
from ..settings.service import SettingsService
from ..support.null_telemetry import NULL_TELEMETRY
from .execution import RouteExecution, RouteServices
from .inputs import JobInputs
from .outcome import RouteOutcome
from .recorder import AttemptRecorder
from .shared_limits import SharedLimits


class RouteEngine:
    """Runs routes. `jitter` returns a number from 0 to 1 for each pause."""

    def __init__(
        self,
        providers: ProviderRegistry,
        limits: ProviderLimits,
        settings: SettingsService,
        queue: JobQueue,
        jobs: JobRepository,
        clock: Clock,
        *,
        jitter: Callable[[], float] = random.random,
        telemetry: Telemetry = NULL_TELEMETRY,
    ) -> None:
        shared = SharedLimits(limits, settings, clock)
        self._recorder = AttemptRecorder(jobs, shared)
        self._services = RouteServices(
            providers=providers,
            limits=shared,
            queue=queue,
            recorder=self._recorder,
            clock=clock,
            jitter=jitter,
            telemetry=telemetry,
        )

    async def run(
        self, claim: Claim, inputs: JobInputs, *, ends_at: datetime, job_ended: Awaitable[None]
    ) -> RouteOutcome:
        """Call the entries until one makes a picture, all gave up, `ends_at` has come, or `job_ended` returns.

        Attempts that fail are written to the processing log at once, in the background; those of test jobs, and the
        one that made the picture, are left to `record`.
        """
        return await RouteExecution(self._services, claim, inputs, ends_at=ends_at).run(job_ended)

    async def record(self, claim: Claim, outcome: RouteOutcome) -> None:
        """Record the attempts and calls of an outcome."""
        await self._recorder.record(claim, outcome.attempts, outcome.calls)

    def record_in_background(self, claim: Claim, outcome: RouteOutcome) -> None:
        """Do the same without making the guest wait."""
        self._recorder.record_in_background(claim, outcome.attempts, outcome.calls)

    async def close(self) -> None:
        """Finish what is recorded in the background."""
        await self._recorder.close()
