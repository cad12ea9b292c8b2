"""The adapters under test: each suite runs over all that implement its port."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from types import SimpleNamespace

import pytest
from photochanger.adapters.memory import memory_adapters

from tests.support.postgres_backend import open_backend
from tests.support.wiring import backend_of


@pytest.fixture(params=["memory", "postgres"])
def backend_url(request: pytest.FixtureRequest) -> str | None:
    """Where the backend lies: a database of this test's own, or nowhere."""
    return request.getfixturevalue("postgres_url") if request.param == "postgres" else None


@pytest.fixture
async def backend(backend_url: str | None, anyio_backend: str) -> AsyncIterator[SimpleNamespace]:
    """Every adapter of one backend over the same data: queue, signals, jobs, slots, settings, secrets, media, stats."""
    async with AsyncExitStack() as stack:
        yield (
            await stack.enter_async_context(open_backend(backend_url)) if backend_url else backend_of(memory_adapters())
        )
