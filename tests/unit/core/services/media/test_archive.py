"""Archives of results: whole ZIP files in constant memory, without what has gone meanwhile."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from photochanger.core.domain.errors import InvalidSettings, StorageUnavailable
from photochanger.core.domain.job import Job
from photochanger.core.domain.media import MediaKey, one_chunk
from photochanger.core.domain.results.files import archive_name
from photochanger.core.domain.results.listing import ResultFilter, Visibility
from photochanger.core.services.media import archive as archive_module
from photochanger.core.services.media.archive import TABLE_NAME, ResultArchives

from tests.support.wiring import get_now
from tests.support.world import SLOT, World

pytestmark = pytest.mark.anyio


def archives(world: World) -> ResultArchives:
    made: ResultArchives = get_now(world.container, ResultArchives)
    return made


async def finished(world: World, count: int = 1) -> list[Job]:
    jobs = []
    for _ in range(count):
        await world.submit()
        jobs.append(await world.work())
    return jobs


async def whole(world: World, wanted: ResultFilter) -> zipfile.ZipFile:
    data = b"".join([chunk async for chunk in archives(world).stream(wanted)])
    archive = zipfile.ZipFile(io.BytesIO(data))
    assert archive.testzip() is None
    return archive


def table(archive: zipfile.ZipFile) -> dict[UUID, dict[str, str]]:
    text = archive.read(TABLE_NAME).decode("utf-8-sig")
    return {UUID(row["job_id"]): row for row in csv.DictReader(io.StringIO(text, newline=""))}


async def bytes_of(world: World, job: Job) -> bytes:
    assert job.result is not None
    return b"".join([chunk async for chunk in world.store.open(job.result.file.key)])


async def test_an_archive_has_every_picture_as_it_is_and_a_table() -> None:
    world = World()
    await world.slot()
    jobs = await finished(world, 3)
    await world.results.set_visibility(jobs[1].id, Visibility.HIDDEN, at=world.clock.now())
    archive = await whole(world, ResultFilter())
    assert archive.namelist() == [*(archive_name(job) for job in reversed(jobs)), TABLE_NAME]
    assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}
    for job in jobs:
        assert archive.read(archive_name(job)) == await bytes_of(world, job)
    rows = table(archive)
    assert [rows[job.id]["file"] for job in jobs] == [archive_name(job) for job in jobs]
    assert [rows[job.id]["visibility"] for job in jobs] == ["shown", "hidden", "shown"]
    assert rows[jobs[0].id] | {"slot_id": SLOT, "slot_name": "A slot", "missing": ""} == rows[jobs[0].id]


async def test_names_sort_by_slot_and_time_in_utc() -> None:
    world = World()
    await world.slot()
    (job,) = await finished(world)
    assert job.finalized_at is not None
    at = job.finalized_at.strftime("%Y-%m-%d_%H-%M-%S")
    assert archive_name(job) == f"{SLOT}/{at}_{job.id}.jpg"


async def test_what_has_gone_meanwhile_is_left_out_and_listed() -> None:
    world = World()
    await world.slot()
    kept, deleted, unlisted = await finished(world, 3)
    assert deleted.result is not None
    await world.store.delete(deleted.result.file.key)
    await world.guests.forget([unlisted.id], now=world.clock.now())
    unknown = uuid4()
    archive = await whole(world, ResultFilter(job_ids=(kept.id, deleted.id, unlisted.id, unknown)))
    assert archive.namelist() == [archive_name(kept), TABLE_NAME]
    missing = {job_id: row["missing"] for job_id, row in table(archive).items()}
    away = "not available"
    assert missing == {kept.id: "", deleted.id: "expired or deleted", unlisted.id: away, unknown: away}


async def test_a_picture_that_expires_during_the_download_is_left_out() -> None:
    world = World()
    await world.slot()
    jobs = await finished(world, 2)
    parts = []
    async with aclosing(archives(world).stream(ResultFilter())) as stream:
        parts.append(await anext(stream))
        await world.clock.advance(timedelta(days=30))
        parts += [chunk async for chunk in stream]
    archive = zipfile.ZipFile(io.BytesIO(b"".join(parts)))
    assert archive.namelist() == [archive_name(jobs[1]), TABLE_NAME]
    assert table(archive)[jobs[0].id]["missing"] == "expired or deleted"


async def test_an_archive_without_pictures_has_its_table() -> None:
    archive = await whole(World(), ResultFilter())
    assert archive.namelist() == [TABLE_NAME]
    assert table(archive) == {}


async def test_names_of_slots_are_no_formulas() -> None:
    world = World()
    await world.slot()
    slot = await world.slots.get(SLOT)
    await world.slots.save(msgspec.structs.replace(slot, name="=1+1"), expected_version=slot.version)
    (job,) = await finished(world)
    assert table(await whole(world, ResultFilter()))[job.id]["slot_name"] == "'=1+1"


async def test_archives_over_the_limits_of_old_zip_files_are_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    await world.slot()
    jobs = await finished(world, 5)
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 150)
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 3)
    data = b"".join([chunk async for chunk in archives(world).stream(ResultFilter())])
    assert b"PK\x06\x06" in data  # the end record of ZIP64
    monkeypatch.undo()
    archive = zipfile.ZipFile(io.BytesIO(data))
    assert archive.testzip() is None
    assert len(archive.namelist()) == len(jobs) + 1


async def test_no_part_is_larger_than_a_read_of_the_store() -> None:
    world = World()
    await world.slot()
    (job,) = await finished(world)
    assert job.result is not None
    key, large = job.result.file.key, bytes(2_000_000)
    await world.store.put(key.kind, key.name, one_chunk(large), max_bytes=len(large))
    reads = [len(chunk) async for chunk in world.store.open(key)]
    parts = [len(chunk) async for chunk in archives(world).stream(ResultFilter())]
    heads_and_table = 1500
    assert len(parts) >= len(reads) > 1
    assert max(parts) <= max(reads) + heads_and_table
    assert sum(parts) <= len(large) + heads_and_table


async def test_an_archive_that_is_given_up_closes_what_it_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    await world.slot()
    await finished(world, 2)
    closed: list[MediaKey] = []
    read = world.store.inner.open

    async def noted(key: MediaKey, **part: Any) -> AsyncGenerator[bytes]:
        try:
            async for chunk in read(key, **part):
                yield chunk
        finally:
            closed.append(key)

    monkeypatch.setattr(world.store.inner, "open", noted)
    stream = archives(world).stream(ResultFilter())
    await anext(stream)
    assert closed == []
    await stream.aclose()
    assert len(closed) == 1


async def test_a_store_that_fails_ends_the_archive() -> None:
    world = World()
    await world.slot()
    await finished(world, 2)
    stream = archives(world).stream(ResultFilter())
    await anext(stream)
    world.store.faults["open"] = StorageUnavailable("unreachable")
    with pytest.raises(StorageUnavailable):
        [chunk async for chunk in stream]


async def test_more_than_the_bound_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    await world.slot()
    jobs = await finished(world, 3)
    monkeypatch.setattr(archive_module, "MAX_PICTURES", 2)
    with pytest.raises(InvalidSettings) as refused:
        await archives(world).require_bounded(ResultFilter())
    assert [(error.field, error.code) for error in refused.value.errors] == [("from", "too_many")]
    await archives(world).require_bounded(ResultFilter(job_ids=(jobs[0].id, jobs[1].id)))
