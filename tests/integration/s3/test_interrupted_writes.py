"""Writes that end early leave neither an object nor an upload, at whatever moment; replacing is atomic."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from photochanger.adapters.s3.store import S3MediaStore
from photochanger.core.domain.errors import MediaNotFound, PayloadTooLarge, StorageUnavailable
from photochanger.core.domain.media import MediaKey, MediaKind, one_chunk

from tests.support.s3_relay import Busy, Hold, S3Relay

pytestmark = pytest.mark.anyio

MIB = 1024 * 1024
KIND = MediaKind.PAYLOADS
KEY = MediaKey(KIND, "photo")
LATER = timedelta(hours=1)


async def in_pieces(size_bytes: int, piece_bytes: int = MIB) -> AsyncIterator[bytes]:
    for start in range(0, size_bytes, piece_bytes):
        yield bytes([start // piece_bytes % 256]) * min(piece_bytes, size_bytes - start)


async def require_nothing(store: S3MediaStore) -> None:
    assert await open_uploads(store) == []
    with pytest.raises(MediaNotFound):
        await store.size(KEY)


async def open_uploads(store: S3MediaStore) -> list[str]:
    prefix = store.bucket.settings.key(f"{KIND}/")
    return [upload.key async for upload in store.bucket.open_uploads(prefix)]


@pytest.mark.parametrize("pieces", [0, 1, 5, 6, 10, 11, 16, 20])
async def test_a_cancelled_put_leaves_nothing(store: S3MediaStore, pieces: int) -> None:
    """Cancelled while it waits for the next piece of 20 MiB, and while it has just taken one."""
    came = asyncio.Event()

    async def stopping() -> AsyncIterator[bytes]:
        async for piece in in_pieces(pieces * MIB):
            yield piece
        came.set()
        await asyncio.Event().wait()

    putting = asyncio.create_task(store.put(KIND, "photo", stopping(), max_bytes=20 * MIB))
    await came.wait()
    putting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await putting
    await require_nothing(store)


REQUESTS = {
    "the upload begins": r"POST .*uploads",
    "the first part": r"partNumber=1",
    "the last part": r"partNumber=3",
    "the upload is completed": r"POST .*uploadId=",
}


@pytest.mark.parametrize("request_held", REQUESTS)
async def test_a_put_cancelled_during_a_request_leaves_nothing(
    store: S3MediaStore, relay: S3Relay, request_held: str
) -> None:
    held = Hold(asyncio.Event(), asyncio.Event())
    relay.spoil(REQUESTS[request_held], held)
    putting = asyncio.create_task(store.put(KIND, "photo", in_pieces(11 * MIB), max_bytes=11 * MIB))
    await held.came.wait()
    putting.cancel()
    await asyncio.sleep(0)
    putting.cancel()  # again, while it cleans up
    held.go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await putting
    await require_nothing(store)


async def test_a_small_put_cancelled_during_its_request_leaves_nothing(store: S3MediaStore, relay: S3Relay) -> None:
    held = Hold(asyncio.Event(), asyncio.Event())
    relay.spoil("PUT ", held)
    putting = asyncio.create_task(store.put(KIND, "photo", one_chunk(b"x"), max_bytes=1))
    await held.came.wait()
    putting.cancel()
    held.go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await putting
    await require_nothing(store)


async def test_a_refused_or_broken_replacement_leaves_the_old_file(store: S3MediaStore, relay: S3Relay) -> None:
    await store.put(KIND, "photo", one_chunk(b"old"), max_bytes=3)
    with pytest.raises(PayloadTooLarge):
        await store.put(KIND, "photo", in_pieces(12 * MIB), max_bytes=11 * MIB)
    relay.spoil(r"POST .*uploadId=", Busy(400, "InvalidPart"))
    with pytest.raises(StorageUnavailable):
        await store.put(KIND, "photo", in_pieces(6 * MIB), max_bytes=6 * MIB)
    relay.spoil("PUT ", Busy(400, "BadDigest"))
    with pytest.raises(StorageUnavailable):
        await store.put(KIND, "photo", one_chunk(b"new"), max_bytes=3)
    assert [chunk async for chunk in store.open(KEY)] == [b"old"]
    assert await open_uploads(store) == []


async def test_a_file_is_replaced_when_the_last_part_is_there_and_not_before(
    store: S3MediaStore, relay: S3Relay
) -> None:
    await store.put(KIND, "photo", one_chunk(b"old"), max_bytes=3)
    held = Hold(asyncio.Event(), asyncio.Event())
    relay.spoil(r"POST .*uploadId=", held)
    async with asyncio.TaskGroup() as group:
        group.create_task(store.put(KIND, "photo", in_pieces(6 * MIB), max_bytes=6 * MIB))
        await held.came.wait()
        assert await store.size(KEY) == 3
        held.go_on.set()
    assert await store.size(KEY) == 6 * MIB


async def test_uploads_of_killed_processes_are_removed_after_a_while(store: S3MediaStore) -> None:
    key = store.bucket.settings.key(str(KEY))
    upload_id = await store.bucket.begin_upload(key, write_id="killed")
    await store.bucket.store_part(key, upload_id, 1, bytes(MIB))
    foreign = await store.bucket.begin_upload(store.bucket.settings.key("other/file"), write_id="not ours")
    assert await store.remove_partial(older_than=datetime.now(UTC) - LATER) == 0
    assert await store.remove_partial(older_than=datetime.now(UTC) + LATER) == 1
    assert await open_uploads(store) == []
    assert await store.bucket.abort_upload(store.bucket.settings.key("other/file"), foreign)
