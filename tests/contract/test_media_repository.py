"""The MediaRepository contract: temporary files with public links."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from types import SimpleNamespace
from uuid import uuid4

import pytest
from photochanger.core.domain.media import MediaKind

from tests.support.builders import media_object, new_job, stored_file

pytestmark = pytest.mark.anyio

BLINK = timedelta(microseconds=1)


async def test_a_media_object_comes_back_as_it_was_added(backend: SimpleNamespace) -> None:
    job = await backend.queue.enqueue(new_job(), max_active=10)
    for media in (media_object(), media_object(job_id=job.id, mime="image/webp")):
        await backend.media.add(media)
        assert await backend.media.get(media.id) == media


async def test_what_never_was_is_none(backend: SimpleNamespace) -> None:
    assert await backend.media.get(uuid4()) is None


async def test_the_media_of_a_job_are_found_by_it(backend: SimpleNamespace) -> None:
    job = await backend.queue.enqueue(new_job(), max_active=10)
    mine = [media_object(job_id=job.id) for _ in range(2)]
    for media in (*mine, media_object()):
        await backend.media.add(media)
    found = await backend.media.of_job(job.id)
    assert sorted(media.id for media in found) == sorted(media.id for media in mine)
    assert await backend.media.of_job(uuid4()) == []


async def test_media_expire_at_their_moment_and_not_before(backend: SimpleNamespace) -> None:
    media = media_object()
    await backend.media.add(media)
    assert await backend.media.expired(now=media.expires_at - BLINK, limit=10) == []
    assert await backend.media.expired(now=media.expires_at, limit=10) == [media]
    assert await backend.media.get(media.id) == media


async def test_no_more_expired_media_come_than_asked_for(backend: SimpleNamespace) -> None:
    media = [media_object() for _ in range(3)]
    for one in media:
        await backend.media.add(one)
    now = media[-1].expires_at
    first = await backend.media.expired(now=now, limit=2)
    assert len(first) == 2
    await backend.media.remove([one.id for one in first], now=now)
    assert len(await backend.media.expired(now=now, limit=2)) == 1


async def test_a_removed_one_is_out_of_the_books_and_its_id_stays_known_as_expired(backend: SimpleNamespace) -> None:
    job = await backend.queue.enqueue(new_job(), max_active=10)
    media = media_object(job_id=job.id)
    await backend.media.add(media)
    early = media.created_at + timedelta(seconds=1)
    assert await backend.media.remove([media.id, uuid4()], now=early) == 1
    assert await backend.media.remove([media.id], now=early) == 0
    known = await backend.media.get(media.id)
    assert known is not None
    assert known.expires_at <= early
    assert await backend.media.of_job(job.id) == []
    assert await backend.media.expired(now=media.expires_at, limit=10) == []
    assert await backend.media.in_use([media.file.key]) == set()
    assert await backend.media.remove([], now=early) == 0


async def test_hosts_that_remove_the_same_ones_count_each_once(backend: SimpleNamespace) -> None:
    ids = []
    for _ in range(40):
        await backend.media.add(media := media_object())
        ids.append(media.id)
    removing = (backend.media.remove(some, now=media.expires_at) for some in (ids, ids[::-1], ids[20:], ids[:20]))
    assert sum(await asyncio.gather(*removing)) == 40


async def test_a_file_is_in_use_until_its_media_object_is_removed(backend: SimpleNamespace) -> None:
    media = media_object()
    await backend.media.add(media)
    orphan = stored_file(MediaKind.MEDIA).key
    assert await backend.media.in_use([media.file.key, orphan]) == {media.file.key}
    assert await backend.media.in_use([]) == set()
    await backend.media.remove([media.id], now=media.expires_at)
    assert await backend.media.in_use([media.file.key, orphan]) == set()
