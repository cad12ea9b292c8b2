"""Purges started by an administrator: audited, one per scope at a time, and their failures are logged."""

from __future__ import annotations

import pytest
from photochanger.core.domain.accounts import Actor
from photochanger.core.domain.audit import AuditAction
from photochanger.core.domain.errors import QueueUnavailable, StorageUnavailable
from photochanger.core.services.maintenance.purge import PurgeScope, PurgeService

from tests.support.world import World

pytestmark = pytest.mark.anyio

ADA = Actor("ada", "192.0.2.1")


def purges_of(world: World) -> PurgeService:
    return PurgeService(world.sweeper, world.audit, world.clock)


async def test_a_purge_that_is_under_way_does_the_next_ones_work() -> None:
    world = World()
    purges = purges_of(world)
    for _ in range(3):
        await purges.begin(PurgeScope.FULL, by=ADA)
    await purges.idle()
    assert world.queue.calls.count("release_expired") == 1
    assert [(entry.action, entry.actor) for entry in world.audit.entries] == [(AuditAction.PURGED, "ada")] * 3
    await purges.begin(PurgeScope.FULL, by=ADA)
    await purges.idle()
    assert world.queue.calls.count("release_expired") == 2


async def test_a_purge_of_media_objects_is_no_full_one() -> None:
    world = World()
    purges = purges_of(world)
    await purges.begin(PurgeScope.MEDIA_OBJECTS, by=ADA)
    await purges.idle()
    assert "release_expired" not in world.queue.calls


@pytest.mark.parametrize("error", [QueueUnavailable("away"), StorageUnavailable("read-only"), KeyError("a defect")])
async def test_a_purge_that_fails_says_so_and_the_next_one_begins(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    world = World()
    purges = purges_of(world)
    world.queue.faults["release_expired"] = error
    for _ in range(2):
        await purges.begin(PurgeScope.FULL, by=ADA)
        await purges.idle()
    assert len([record for record in caplog.records if "purge" in record.message]) == 2
    world.queue.faults.clear()
    await purges.begin(PurgeScope.FULL, by=ADA)
    await purges.idle()
    assert world.queue.calls.count("release_expired") == 3
