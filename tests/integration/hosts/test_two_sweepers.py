"""Two hosts sweep at the same time: everything is deleted and counted once."""

from __future__ import annotations

import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from photochanger.adapters.filesystem import FilesystemMediaStore
from photochanger.core.domain.media import MediaKey, one_chunk

from tests.support.builders import media_object
from tests.support.commands import run_command
from tests.support.postgres_backend import open_backend
from tests.support.queue_steps import ended_job, live_job
from tests.support.service import environment, rows

pytestmark = pytest.mark.anyio

GUESTS, MEDIA, OVERDUE = 230, 210, 40  # more than a batch of 200
HOURS_AGO = datetime.now(UTC) - timedelta(hours=3)


async def fill(backend: SimpleNamespace, store: FilesystemMediaStore) -> None:
    """Jobs whose results have expired, jobs that are overdue, and expired media objects, with some of their files."""

    async def make(key: MediaKey) -> None:
        await store.put(key.kind, key.name, one_chunk(b"a picture"), max_bytes=100)

    for number in range(GUESTS):
        job = await ended_job(backend, finalized_at=HOURS_AGO, result_expires_at=HOURS_AGO)
        if number % 10 == 0:
            await make(job.result.file.key)
    for number in range(MEDIA):
        media = media_object(created_at=HOURS_AGO)
        await backend.media.add(media)
        if number % 10 == 0:
            await make(media.file.key)
    for _ in range(OVERDUE):
        await live_job(backend, created_at=HOURS_AGO, expires_at=HOURS_AGO + timedelta(seconds=48))


def counts(said: str) -> Counter[str]:
    """The report of a sweep."""
    return Counter({name: int(count) for name, count in re.findall(r"^(.+): (\d+)$", said, re.MULTILINE)})


async def test_they_share_the_work(tmp_path: Path, postgres_url: str) -> None:
    media = tmp_path / "media"
    async with open_backend(postgres_url) as backend:
        await fill(backend, FilesystemMediaStore(media))
        settings = {"database_url": postgres_url, "media_root": str(media)}

        def sweep(host: str) -> Counter[str]:
            ended = run_command("sweep", env=environment(tmp_path / host, **settings))
            assert (ended.returncode, ended.stderr) == (0, "")
            return counts(ended.stdout)

        with ThreadPoolExecutor(3) as hosts:
            total = sum(hosts.map(sweep, ("one", "two", "three")), Counter[str]())
        deleted = {name: total[name] for name in ("guests", "media objects", "jobs timed out")}
        assert deleted == {"guests": GUESTS, "media objects": MEDIA, "jobs timed out": OVERDUE}
        assert [path for path in media.rglob("*") if path.is_file()] == []
        assert rows(postgres_url, "select count(*) from photochanger.jobs where forgotten_at is null") == [(OVERDUE,)]
        cells = await backend.stats.cells([HOURS_AGO - timedelta(days=1), datetime.now(UTC) + timedelta(days=1)])
        assert sum(cell.count for cell in cells) == GUESTS + OVERDUE, "one of them adds a job to the statistics"
