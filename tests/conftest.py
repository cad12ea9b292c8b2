"""What every suite shares: the event loop that async tests run on, and the PostgreSQL server of the run."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

from tests.support.pgbouncer import pooler
from tests.support.postgres_server import postgres_server, postgres_url

settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

__all__ = ["anyio_backend", "pooler", "postgres_server", "postgres_url"]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
