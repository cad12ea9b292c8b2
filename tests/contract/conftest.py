"""The adapters under test: each suite runs over all that implement its port."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from types import SimpleNamespace

import pytest
from photochanger.adapters.memory import memory_adapters

from tests.support.postgres_backend import open_backend
from tests.support.wiring import backend_of

POOLED_SUITES = {"test_job_signals", "test_provider_limits", "test_cost_ledger"}
"""Suites that also run through PgBouncer: wake-ups, and transactions of every form."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test that uses a backend once for each kind of it."""
    if "backend_url" in metafunc.fixturenames:
        pooled = ["pooled"] if metafunc.module.__name__.rpartition(".")[2] in POOLED_SUITES else []
        metafunc.parametrize("backend_url", ["memory", "postgres", *pooled], indirect=True)


@pytest.fixture
def backend_url(request: pytest.FixtureRequest) -> str | None:
    """Where the backend lies: a database of this test's own, directly or through PgBouncer, or nowhere."""
    if request.param == "memory":
        return None
    url: str = request.getfixturevalue("postgres_url")
    return request.getfixturevalue("pooler").url(url) if request.param == "pooled" else url


@pytest.fixture
async def backend(backend_url: str | None, anyio_backend: str) -> AsyncIterator[SimpleNamespace]:
    """Every adapter of one backend over the same data: queue, signals, jobs, slots, settings, secrets, media, stats."""
    async with AsyncExitStack() as stack:
        yield (
            await stack.enter_async_context(open_backend(backend_url)) if backend_url else backend_of(memory_adapters())
        )
