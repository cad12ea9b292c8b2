"""`photochanger stats` on a database that a service uses."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import psycopg
from photochanger.core.domain.stats.summary import figures_of

from tests.support.builders import new_job, outcome_succeeded
from tests.support.postgres_backend import open_backend

HOUR = timedelta(hours=1)


def test_rebuild_brings_back_what_was_lost(postgres_url: str) -> None:
    async def pictures(count: int) -> int:
        now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        async with open_backend(postgres_url) as backend:
            for number in range(count):
                job = await backend.queue.enqueue(new_job(), max_active=10)
                outcome = outcome_succeeded(job, finalized_at=datetime.now(UTC) - number * HOUR)
                assert await backend.queue.mark_finalized(job.id, outcome, claim=None)
            return figures_of(await backend.stats.cells([now - 9 * HOUR, now + 9 * HOUR])).success

    assert asyncio.run(pictures(3)) == 3
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("delete from photochanger.stats_ended")
    assert asyncio.run(pictures(0)) == 0
    environment = os.environ | {"PHOTOCHANGER_DATABASE_URL": postgres_url}
    command = [sys.executable, "-m", "photochanger", "stats", "rebuild"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=180, check=True)
    assert done.stdout == "Statistics recomputed from 3 ended jobs.\n"
    assert asyncio.run(pictures(0)) == 3
