"""Faults of the object store while a file is written or read: short ones are bridged, long ones end in bounded time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from photochanger.adapters.s3.store import S3MediaStore
from photochanger.core.domain.errors import MediaNotFound, StorageUnavailable
from photochanger.core.domain.media import MediaKey, MediaKind, one_chunk

from tests.support.s3_relay import Busy, CutReply, CutRequest, FlipByte, S3Relay
from tests.support.seaweedfs import PATIENT, SeaweedServer

pytestmark = pytest.mark.anyio

MIB = 1024 * 1024
KIND = MediaKind.PAYLOADS
KEY = MediaKey(KIND, "photo")
LATER = timedelta(hours=1)


async def in_pieces(size_bytes: int, piece_bytes: int = MIB) -> AsyncIterator[bytes]:
    for start in range(0, size_bytes, piece_bytes):
        yield bytes([start // piece_bytes % 256]) * min(piece_bytes, size_bytes - start)


class Patience:
    """A fault handler that counts, and gives up after some."""

    def __init__(self, faults: int) -> None:
        self._left = faults
        self.seen: list[str] = []

    async def __call__(self, error: StorageUnavailable) -> None:
        self.seen.append(error.detail)
        self._left -= 1
        if self._left < 0:
            raise error


FAULTS = {
    "busy": Busy(400, "RequestTimeout"),
    "cut": CutRequest(1000),
    "answer lost": CutReply(0),
}


REQUESTS = {
    "all of a small file": "PUT ",
    "the upload begins": r"POST .*uploads",
    "a part": r"partNumber=2",
    "the upload is completed": r"POST .*uploadId=",
}


@pytest.mark.parametrize("spoilt", REQUESTS)
@pytest.mark.parametrize("fault", FAULTS)
async def test_bytes_that_arrived_are_stored_again_after_a_fault(
    store: S3MediaStore, relay: S3Relay, fault: str, spoilt: str
) -> None:
    size_bytes = 1000 if spoilt == "all of a small file" else 6 * MIB
    relay.spoil(REQUESTS[spoilt], FAULTS[fault], times=3)
    patience = Patience(3)
    stored = await store.put(KIND, "photo", in_pieces(size_bytes), max_bytes=size_bytes, on_fault=patience)
    assert patience.seen
    read = await read_all(store.open(stored.key))
    assert read == b"".join([piece async for piece in in_pieces(size_bytes)])
    assert await store.remove_partial(older_than=datetime.now(UTC) + LATER) <= 3  # begun by requests without an answer


async def test_what_the_fault_handler_raises_ends_the_put_and_leaves_nothing(
    store: S3MediaStore, relay: S3Relay
) -> None:
    relay.spoil(r"partNumber=2", Busy(400, "RequestTimeout"), times=3)
    patience = Patience(2)
    with pytest.raises(StorageUnavailable, match="RequestTimeout"):
        await store.put(KIND, "photo", in_pieces(11 * MIB), max_bytes=11 * MIB, on_fault=patience)
    assert len(patience.seen) == 3
    assert await store.remove_partial(older_than=datetime.now(UTC) + LATER) == 0
    with pytest.raises(MediaNotFound):
        await store.size(KEY)


async def test_an_upload_that_the_store_has_lost_ends_the_put(store: S3MediaStore, relay: S3Relay) -> None:
    relay.spoil(r"partNumber=2", Busy(404, "NoSuchUpload"))
    patience = Patience(9)
    with pytest.raises(StorageUnavailable, match="lost a part"):
        await store.put(KIND, "photo", in_pieces(11 * MIB), max_bytes=11 * MIB, on_fault=patience)
    assert patience.seen == []


async def test_a_busy_store_is_asked_again_before_that_is_a_fault(store: S3MediaStore, relay: S3Relay) -> None:
    relay.spoil("PUT |POST ", Busy(), times=2)
    await store.put(KIND, "photo", in_pieces(6 * MIB), max_bytes=6 * MIB)
    relay.spoil("PUT |GET |HEAD ", Busy(), times=2)
    await store.put(KIND, "small", one_chunk(b"x"), max_bytes=1)
    assert await store.size(KEY) == 6 * MIB


async def test_a_failure_under_the_status_of_a_success_is_a_fault(store: S3MediaStore, relay: S3Relay) -> None:
    relay.spoil(r"POST .*uploadId=", Busy(200, "InternalError"))
    patience = Patience(1)
    await store.put(KIND, "photo", in_pieces(6 * MIB), max_bytes=6 * MIB, on_fault=patience)
    assert patience.seen == ["The object store failed (InternalError)."]
    assert await store.size(KEY) == 6 * MIB


async def test_expired_credentials_are_a_fault_that_names_them(store: S3MediaStore, relay: S3Relay) -> None:
    await store.put(KIND, "photo", one_chunk(b"x"), max_bytes=1)
    relay.spoil("", Busy(403, "ExpiredToken"), times=4)
    with pytest.raises(StorageUnavailable, match="ExpiredToken"):
        await store.put(KIND, "photo", one_chunk(b"x"), max_bytes=1)  # and two requests to clean up
    with pytest.raises(StorageUnavailable, match="refuses the access"):
        await anext(store.open(KEY))
    with pytest.raises(StorageUnavailable, match="refuses the access"):
        await store.size(KEY)
    assert await store.size(KEY) == 1


async def test_a_changed_byte_is_refused(store: S3MediaStore, relay: S3Relay) -> None:
    """The checksum is really sent, of whole files and of parts, and the service compares it."""
    relay.spoil("PUT ", FlipByte(5), times=9)
    with pytest.raises(StorageUnavailable):
        await store.put(KIND, "photo", one_chunk(b"0123456789"), max_bytes=10)
    with pytest.raises(StorageUnavailable):
        await store.put(KIND, "photo", in_pieces(6 * MIB), max_bytes=6 * MIB)
    assert [request for request in relay.requests if "partNumber" in request]
    with pytest.raises(MediaNotFound):
        await store.size(KEY)


# Reading


async def read_all(chunks: AsyncIterator[bytes]) -> bytes:
    return b"".join([chunk async for chunk in chunks])


@pytest.mark.parametrize(("start", "end"), [(0, None), (1_000_000, 3_000_000)])
async def test_a_reading_that_breaks_is_continued(
    store: S3MediaStore, relay: S3Relay, start: int, end: int | None
) -> None:
    await store.put(KIND, "photo", in_pieces(6 * MIB), max_bytes=6 * MIB)
    relay.spoil("GET ", CutReply(700_000), times=5)
    read = await read_all(store.open(KEY, start=start, end=end))
    assert read == b"".join([piece async for piece in in_pieces(6 * MIB)])[start:end]
    assert len([request for request in relay.requests if request.startswith("GET ")]) >= 3


async def test_a_reading_is_not_continued_with_another_file(store: S3MediaStore, relay: S3Relay) -> None:
    await store.put(KIND, "photo", in_pieces(6 * MIB), max_bytes=6 * MIB)
    relay.spoil("GET ", CutReply(2_000_000))
    chunks = store.open(KEY)
    await anext(chunks)
    await store.put(KIND, "photo", in_pieces(6 * MIB, MIB - 1), max_bytes=6 * MIB)
    with pytest.raises(StorageUnavailable, match="replaced while it was read"):
        await read_all(chunks)


async def test_a_reading_that_cannot_be_continued_ends_after_some_attempts(
    seaweedfs: SeaweedServer, store: S3MediaStore, relay: S3Relay
) -> None:
    await store.put(KIND, "photo", in_pieces(6 * MIB), max_bytes=6 * MIB)
    relay.spoil("GET ", CutReply(2_000_000))
    relay.spoil("GET ", Busy(500, "InternalError"), times=100)
    bounds = msgspec.structs.replace(PATIENT, read_attempts=2)
    async with S3MediaStore.connect(store.bucket.settings, bounds=bounds) as impatient:
        chunks = impatient.open(KEY)
        assert await anext(chunks)
        with pytest.raises(StorageUnavailable, match="InternalError"):
            await read_all(chunks)
