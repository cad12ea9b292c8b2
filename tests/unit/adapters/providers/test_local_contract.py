"""The `local` provider keeps what the service relies on, by the suite that authors of other providers use."""

from __future__ import annotations

from photochanger.adapters.providers.local.provider import LocalProvider
from photochanger.core.domain.slots.slot import RouteEntry
from photochanger.core.ports.provider import Provider, ProviderContext
from photochanger.testing import ProviderContract

from tests.support.picture_work import InProcess


class TestLocalProvider(ProviderContract):
    entries = (
        RouteEntry("local", "enhance"),
        RouteEntry("local", "stylize", {"look": "noir", "output": "png"}),
        RouteEntry("local", "frame", {"caption": "Ada & Grace"}),
        RouteEntry("local", "background", {"mode": "replace", "output": "webp"}),
    )

    async def make_provider(self, context: ProviderContext) -> Provider:
        return LocalProvider(InProcess())
