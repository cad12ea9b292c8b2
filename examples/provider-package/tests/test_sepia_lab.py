"""The suite for providers of remote services: cancel, resume, refusal, outage and cost."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from lab_stand_in import KEY, LabStandIn
from photochanger.adapters.providers.queued import Pace
from photochanger.core.domain.slots.slot import RouteEntry
from photochanger.core.ports.provider import Provider, ProviderContext
from photochanger.testing import RemoteProviderContract, ServiceControls
from sepia_booth.lab import SepiaLab

QUICK = timedelta(milliseconds=5)
"""The pause between two questions for work; a real service wants longer ones."""


class TestSepiaLab(RemoteProviderContract):
    entries = (
        RouteEntry("sepia-lab", "print"),
        RouteEntry("sepia-lab", "print", {"print": "cyanotype"}),
    )
    secret = KEY
    cancels = True
    resumes = True

    @pytest.fixture(autouse=True)
    async def stand_in(self) -> AsyncIterator[None]:
        async with LabStandIn() as self.lab:
            self.base_url = self.lab.url
            yield
            assert self.lab.wrong == []

    def service(self) -> ServiceControls:
        return self.lab

    async def make_provider(self, context: ProviderContext) -> Provider:
        return SepiaLab(context, pace=Pace(first=QUICK, longest=QUICK))
