"""A running service for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from photochanger.core.domain.accounts import Permission

from tests.support.administration import Administrator, token_of
from tests.support.http_server import Service, serving
from tests.support.service import HANG_SECONDS


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The service waits as long as something takes, where its limits of seconds are for faults: a busy machine is none.

    These are the limits of a look at its parts and of the rest of an upload whose answer was sent.
    """
    monkeypatch.setattr("photochanger.entrypoints.diagnostics.readiness._TIMEOUT_SECONDS", HANG_SECONDS)
    monkeypatch.setattr("photochanger.entrypoints.http.middleware._DRAIN_SECONDS", HANG_SECONDS)
    limit = timedelta(seconds=HANG_SECONDS)
    monkeypatch.setattr("photochanger.entrypoints.metrics.collector._COLLECT_TIMEOUT", limit)


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    async with serving(tmp_path) as running:
        yield running


@pytest.fixture
async def admin(service: Service) -> Administrator:
    """An administrator who may do everything."""
    return Administrator(service, await token_of(service, *Permission))
