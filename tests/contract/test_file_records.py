"""The BegunFiles and OwnedFiles contracts: which files there are, as the database knows it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from uuid import UUID

import pytest
from photochanger.adapters.postgres.media import owned_files
from photochanger.core.domain.ids import new_id
from photochanger.core.domain.media import MediaKey, MediaKind, OwnedFile, StoredFile, TemplateMedia, template_keys
from photochanger.core.domain.results.files import result_keys

from tests.support.builders import media_object
from tests.support.queue_steps import ended_job, live_job

pytestmark = pytest.mark.anyio

NOW = datetime.now(UTC)
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)


def key(name: str, kind: MediaKind = MediaKind.RESULTS) -> MediaKey:
    return MediaKey(kind, name)


async def begun(backend: SimpleNamespace, moment: datetime, kind: MediaKind = MediaKind.RESULTS) -> list[str]:
    return [one.name for one in await backend.begun_files.before(moment, kind, limit=100)]


async def test_files_that_were_begun_are_found_once_they_are_old(backend: SimpleNamespace) -> None:
    await backend.begun_files.add([key("young")], now=NOW)
    await backend.begun_files.add([key("older"), key("other", MediaKind.MEDIA)], now=NOW - MINUTE)
    await backend.begun_files.add([key("oldest")], now=NOW - 2 * MINUTE)
    assert await begun(backend, NOW) == ["oldest", "older"]
    assert await begun(backend, NOW + SECOND) == ["oldest", "older", "young"]
    assert await begun(backend, NOW, MediaKind.MEDIA) == ["other"]
    assert await begun(backend, NOW - MINUTE) == ["oldest"]
    assert [one.name for one in await backend.begun_files.before(NOW, MediaKind.RESULTS, limit=1)] == ["oldest"]


async def test_the_last_record_of_a_file_counts(backend: SimpleNamespace) -> None:
    for minutes in (3, 2, 0):
        await backend.begun_files.add([key("slow")], now=NOW - minutes * MINUTE)
    assert await begun(backend, NOW) == []
    assert await begun(backend, NOW + SECOND) == ["slow"]


async def test_records_are_removed_up_to_a_moment(backend: SimpleNamespace) -> None:
    for minutes in (3, 0):
        await backend.begun_files.add([key("one"), key("two")], now=NOW - minutes * MINUTE)
    await backend.begun_files.remove([key("one"), key("unknown")], before=NOW)
    assert await begun(backend, NOW + SECOND) == ["one", "two"], "what was recorded again stays"
    await backend.begun_files.remove([key("one")], before=NOW + SECOND)
    assert await begun(backend, NOW + SECOND) == ["two"]


async def owned(backend: SimpleNamespace, kind: MediaKind) -> set[OwnedFile]:
    found = [file async for file in backend.owned_files.of_kind(kind)]
    assert len({*found}) == len(found)
    return {*found}


def of(file: StoredFile) -> OwnedFile:
    return OwnedFile(file.key, file.size_bytes, file.sha256)


async def add_template(backend: SimpleNamespace) -> TemplateMedia:
    template_id: UUID = new_id(NOW)
    template = TemplateMedia(
        id=template_id,
        file=StoredFile(template_keys(template_id)[0], 70, "e" * 64),
        mime="image/png",
        width=4,
        height=3,
        name="Gold",
        created_at=NOW,
        created_by="ada",
    )
    await backend.templates.add(template)
    return template


@pytest.mark.parametrize("page", [1, 2, 1000])
async def test_each_row_owns_its_files(backend: SimpleNamespace, page: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owned_files, "_PAGE", page)
    monkeypatch.setitem(owned_files._START, "limit", page)
    live = [await live_job(backend) for _ in range(3)]
    ended = [await ended_job(backend) for _ in range(3)]
    media = [media_object() for _ in range(3)]
    for one in media:
        await backend.media.add(one)
    templates = [await add_template(backend) for _ in range(3)]
    assert await owned(backend, MediaKind.PAYLOADS) == {of(job.photo.file) for job in live}
    assert await owned(backend, MediaKind.RESULTS) == {of(job.result.file) for job in ended}
    assert await owned(backend, MediaKind.PREVIEWS) == {
        OwnedFile(one) for job in ended for one in result_keys(job.result.file.key)[1:]
    }
    assert await owned(backend, MediaKind.MEDIA) == {of(one.file) for one in media}
    assert await owned(backend, MediaKind.TEMPLATES) == {
        file for one in templates for file in (of(one.file), OwnedFile(template_keys(one.id)[1]))
    }
    sums = await backend.owned_files.bytes_by_kind()
    assert sums == {
        MediaKind.PAYLOADS: sum(job.photo.file.size_bytes for job in live),
        MediaKind.RESULTS: sum(job.result.file.size_bytes for job in ended),
        MediaKind.MEDIA: sum(one.file.size_bytes for one in media),
        MediaKind.TEMPLATES: 210,
    }


async def test_what_has_gone_owns_nothing(backend: SimpleNamespace) -> None:
    job = await ended_job(backend, finalized_at=NOW - MINUTE, result_expires_at=NOW - SECOND)
    await backend.guests.forget([job.id], now=NOW)
    media = media_object()
    await backend.media.add(media)
    await backend.media.remove([media.id], now=NOW)
    template = await add_template(backend)
    await backend.templates.remove(template.id)
    for kind in MediaKind:
        assert await owned(backend, kind) == set()
    assert {*(await backend.owned_files.bytes_by_kind()).values()} == {0}


async def test_files_of_a_removed_template_are_recorded_as_begun(backend: SimpleNamespace) -> None:
    """So that they go even where their removal, which comes after, fails."""
    for remove in (backend.templates.remove, backend.templates.remove_bound):
        template = await add_template(backend)
        await remove(template.id)
        later = datetime.now(UTC) + MINUTE
        found = await backend.begun_files.before(later, MediaKind.TEMPLATES, limit=10)
        assert {*found} == {*template_keys(template.id)}
        await backend.begun_files.remove(found, before=later)
