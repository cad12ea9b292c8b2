"""The PostgreSQL adapters as the contract suites take them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace

from photochanger.adapters.postgres import Database
from photochanger.entrypoints.config import Settings
from photochanger.entrypoints.container import make_container

from tests.support.wiring import BACKEND_PORTS, backend_of


@asynccontextmanager
async def open_backend(url: str) -> AsyncIterator[SimpleNamespace]:
    """Every adapter on one database, already listening."""
    container = make_container(Settings(database_url=url))
    try:
        adapters = {port: await container.get(port) for port in BACKEND_PORTS.values()}
        backend = backend_of(adapters, database=await container.get(Database))
        await backend.signals.wait_until_listening()
        yield backend
    finally:
        await container.close()
