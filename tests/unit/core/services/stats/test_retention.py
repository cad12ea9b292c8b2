"""Ended jobs are forgotten when they are old, and only then; what they counted stays."""

from __future__ import annotations

from datetime import timedelta

import pytest
from photochanger.core.domain.deadlines import DEFAULT_HISTORY
from photochanger.core.domain.errors import JobNotFound
from photochanger.core.domain.stats.summary import figures_of

from tests.support.world import SLOT, World, picture

pytestmark = pytest.mark.anyio

HOUR = timedelta(hours=1)


async def test_a_sweep_forgets_jobs_whose_time_is_over_and_keeps_their_statistics() -> None:
    world = World()
    await world.slot()
    begun = world.clock.now()
    old = await world.submit(picture("old"))
    await world.work()
    await world.clock.advance(DEFAULT_HISTORY - HOUR)
    kept = await world.submit(picture("kept"))
    await world.work()
    await world.sweeper.sweep_expired()
    assert (await world.jobs.get(old.id)).id == old.id
    await world.clock.advance(2 * HOUR)
    assert (await world.sweeper.sweep_expired())["old_jobs"] == 1
    with pytest.raises(JobNotFound):
        await world.jobs.get(old.id)
    assert (await world.jobs.get(kept.id)).id == kept.id
    counted = await world.stats.cells([begun - HOUR, world.clock.now() + HOUR], slot_id=SLOT)
    assert figures_of(counted).success == 2
