"""Hosts of one database that are started with different numbers of slots."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from dishka import AsyncContainer
from photochanger import Settings
from photochanger.core.domain.errors import SlotNotFound
from photochanger.core.domain.slots.slot import slot_ids
from photochanger.core.ports.repositories.slot_repository import SlotRepository
from photochanger.entrypoints.bootstrap import seed_ingest_password
from photochanger.entrypoints.container import make_container

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def started(url: str, home: Path, slot_count: int) -> AsyncIterator[AsyncContainer]:
    """A host that has added the slots that were missing."""
    container = make_container(
        Settings(home=home, database_url=url, slot_count=slot_count, ingest_password="a-test-password")
    )
    try:
        await seed_ingest_password(container)
        yield container
    finally:
        await container.close()


async def test_the_largest_number_applies_to_all_hosts_and_nothing_is_removed(
    postgres_url: str, tmp_path: Path
) -> None:
    async with started(postgres_url, tmp_path, 15) as first:
        slots = await first.get(SlotRepository)
        with pytest.raises(SlotNotFound):
            await slots.get("slot-1000")
        async with started(postgres_url, tmp_path, 1000):
            assert (await slots.get("slot-1000")).active is False, "a running host knows it at once"
        async with started(postgres_url, tmp_path, 5):
            assert [slot.id for slot in await slots.all()] == [*slot_ids(1000)]
