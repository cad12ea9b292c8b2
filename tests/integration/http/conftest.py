"""A running service for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from photochanger.core.domain.accounts import Permission

from tests.support.administration import Administrator, token_of
from tests.support.http_server import Service, serving


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    async with serving(tmp_path) as running:
        yield running


@pytest.fixture
async def admin(service: Service) -> Administrator:
    """An administrator who may do everything."""
    return Administrator(service, await token_of(service, *Permission))
