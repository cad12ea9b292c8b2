"""Files of all sizes in a bucket: stored by one call or by parts, while they arrive, with few requests."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import httpx2
import pytest
from photochanger.adapters.s3.store import S3MediaStore
from photochanger.core.domain.media import MediaKind, one_chunk

from tests.support.s3_relay import Hold, S3Relay

pytestmark = pytest.mark.anyio

MIB = 1024 * 1024
PART = 5 * MIB
KIND = MediaKind.PAYLOADS


def pieces(size_bytes: int) -> Iterator[bytes]:
    """Bytes without a pattern, in pieces as from a socket. The same for the same size."""
    random_bytes = random.Random(size_bytes).randbytes(MIB + 1)
    for start in range(0, size_bytes, 60_000):
        at = start % MIB
        yield (random_bytes[at:] + random_bytes)[: min(60_000, size_bytes - start)]


async def arriving(size_bytes: int) -> AsyncIterator[bytes]:
    for piece in pieces(size_bytes):
        yield piece


@pytest.mark.parametrize("size_bytes", [PART - 1, PART, PART + 1, 20 * MIB, 64 * MIB])
async def test_a_file_of_any_size_comes_back(store: S3MediaStore, relay: S3Relay, size_bytes: int) -> None:
    stored = await store.put(KIND, "photo", arriving(size_bytes), max_bytes=size_bytes)
    sent, read = hashlib.sha256(), hashlib.sha256()
    for piece in pieces(size_bytes):
        sent.update(piece)
    assert stored.sha256 == sent.hexdigest()
    assert await store.size(stored.key) == stored.size_bytes == size_bytes
    async for chunk in store.open(stored.key):
        read.update(chunk)
    assert read.digest() == sent.digest()
    puts = [request for request in relay.requests if request.startswith("PUT ")]
    assert len(puts) == max(1, -(-size_bytes // PART))
    assert relay.listings == []


async def test_the_upload_begins_while_the_file_still_arrives(store: S3MediaStore, relay: S3Relay) -> None:
    held = Hold(asyncio.Event(), asyncio.Event())
    relay.spoil("partNumber=1", held)

    async def until_it_has_begun() -> AsyncIterator[bytes]:
        yield bytes(PART)
        yield b"x"
        await held.came.wait()
        held.go_on.set()
        yield b"y"

    stored = await store.put(KIND, "photo", until_it_has_begun(), max_bytes=PART + 2)
    assert stored.size_bytes == PART + 2


async def test_no_request_lists_what_is_in_the_bucket(store: S3MediaStore, relay: S3Relay) -> None:
    stored = await store.put(KIND, "photo", arriving(PART + 1), max_bytes=PART + 1)
    await store.size(stored.key)
    assert len(b"".join([chunk async for chunk in store.open(stored.key, start=5, end=10)])) == 5
    async with store.local(stored.key) as path:
        assert path.stat().st_size == PART + 1
    assert not path.exists()
    await store.link(stored.key, valid_for=timedelta(minutes=1), media_type="image/jpeg")
    await store.check()
    await store.free_bytes()
    await store.delete(stored.key)
    assert relay.requests
    assert relay.listings == []


async def test_one_request_stores_reads_and_removes_a_small_file(store: S3MediaStore, relay: S3Relay) -> None:
    stored = await store.put(KIND, "photo", one_chunk(b"small"), max_bytes=5)
    assert [chunk async for chunk in store.open(stored.key)] == [b"small"]
    await store.delete(stored.key)
    assert [request.split(" ")[0] for request in relay.requests] == ["PUT", "GET", "DELETE"]


async def test_a_link_serves_the_file_as_it_was_asked_for(store: S3MediaStore) -> None:
    stored = await store.put(KIND, "photo", one_chunk(b"picture"), max_bytes=7)
    disposition = "attachment; filename=\"a b.jpg\"; filename*=UTF-8''%D0%A4%2B.jpg"
    link = await store.link(
        stored.key, valid_for=timedelta(minutes=5), media_type="image/jpeg", disposition=disposition
    )
    assert link is not None
    async with httpx2.AsyncClient() as http:
        answer = await http.get(link)
        assert answer.status_code == 200
        assert answer.content == b"picture"
        assert answer.headers["content-type"] == "image/jpeg"
        assert answer.headers["content-disposition"] == disposition
        assert (await http.get(link.replace("image%2Fjpeg", "text%2Fhtml"))).status_code == 403
        assert (await http.put(link, content=b"other")).status_code == 403
