"""The route engine: runs the entries of a route inside what is left of the window (the policy is in `core.routes`)."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime

from ..jobs import Claim
from ..ports.clock import Clock
from ..ports.limits import ProviderLimits
from ..ports.telemetry import Telemetry
from .attempts import Hooks, Materials, RoutePicture
from .catalogue import ProviderCatalogue
from .figures import Figures
from .route_run import RouteRun
from .settings_service import SettingsService
from .silence import SILENCE


class RouteEngine:
    """Runs routes. `jitter` gives a number from 0 to 1 for each pause."""

    def __init__(
        self,
        providers: ProviderCatalogue,
        limits: ProviderLimits,
        settings: SettingsService,
        clock: Clock,
        *,
        jitter: Callable[[], float] = random.random,
        telemetry: Telemetry = SILENCE,
    ) -> None:
        self._providers = providers
        self._limits = limits
        self._settings = settings
        self._clock = clock
        self._jitter = jitter
        self._telemetry = telemetry
        self._figures = Figures(limits, clock)

    async def run(self, claim: Claim, materials: Materials, hooks: Hooks, *, ends_at: datetime) -> RoutePicture:
        """The first picture that an entry makes.

        Raises RouteExhausted when every entry gave up, TimeoutError when `ends_at` came first; what `materials`
        raises (UndecodableImage, StorageUnavailable) goes through: another entry would not mend it.
        """
        run = RouteRun(
            claim,
            materials,
            hooks,
            providers=self._providers,
            limits=self._limits,
            figures=self._figures,
            clock=self._clock,
            jitter=self._jitter,
            telemetry=self._telemetry,
            ends_at=ends_at,
        )
        async with self._clock.timeout_at(ends_at):
            await run.prepare(self._settings)
            return await run.picture()
