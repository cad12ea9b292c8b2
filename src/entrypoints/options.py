"""Parts of the settings that single classes take, each by its own type."""

from __future__ import annotations

import random

from dishka import Provider, Scope, provide

from ..core.domain.results.files import PublicBaseUrl
from ..core.domain.settings import AppSettings
from ..core.services.media.disk_space import MinFreeBytes
from ..core.services.media.upload_budget import MaxUnauthenticatedBytes
from ..core.services.providers.api_keys import EnvironmentKeys
from ..core.services.routing.entry_state import Jitter
from ..core.services.stats.retention import HistoryPeriod
from ..core.services.webhooks.delivery import DeliveryOptions
from .config import Settings
from .worker.pool import PoolOptions


class Options(Provider):
    """Provider of options, so that no class takes the whole settings."""

    scope = Scope.APP

    @provide
    def defaults(self, settings: Settings) -> AppSettings:
        return settings.defaults

    @provide
    def environment_keys(self, settings: Settings) -> EnvironmentKeys:
        return EnvironmentKeys(settings.provider_keys)

    @provide
    def min_free_bytes(self, settings: Settings) -> MinFreeBytes:
        return MinFreeBytes(settings.min_free_bytes)

    @provide
    def max_unauthenticated_bytes(self, settings: Settings) -> MaxUnauthenticatedBytes:
        return MaxUnauthenticatedBytes(settings.max_unauthenticated_bytes)

    @provide
    def history(self, settings: Settings) -> HistoryPeriod:
        return HistoryPeriod(settings.history)

    @provide
    def public_base_url(self, settings: Settings) -> PublicBaseUrl | None:
        return None if settings.public_base_url is None else PublicBaseUrl(settings.public_base_url)

    @provide
    def delivery_options(self, settings: Settings) -> DeliveryOptions:
        return DeliveryOptions(public_base_url=settings.public_base_url)

    @provide
    def pool_options(self, settings: Settings) -> PoolOptions:
        return PoolOptions(concurrency=settings.workers)

    @provide
    def jitter(self) -> Jitter:
        return random.random
