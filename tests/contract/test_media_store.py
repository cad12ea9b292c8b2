"""The MediaStore contract: whole files or none, and no name that leads anywhere else."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from photochanger.adapters.filesystem import FilesystemMediaStore
from photochanger.adapters.memory import MemoryMediaStore
from photochanger.adapters.s3.store import S3MediaStore
from photochanger.core.domain.errors import MediaNotFound, PayloadTooLarge
from photochanger.core.domain.media import MediaKey, MediaKind, StoredFile, one_chunk
from photochanger.core.ports.media_store import MediaStore

from tests.support.seaweedfs import PATIENT, SeaweedServer

pytestmark = pytest.mark.anyio

KIND = MediaKind.PAYLOADS
MIB = 1024 * 1024
BIG = bytes(range(256)) * 4096 + b"the end"
AGES = timedelta(hours=1)


@pytest.fixture(params=["filesystem", "memory", "s3"])
async def store(request: pytest.FixtureRequest, tmp_path: Path, anyio_backend: str) -> AsyncIterator[MediaStore]:
    match request.param:
        case "filesystem":
            yield FilesystemMediaStore(tmp_path / "media")
        case "memory":
            yield MemoryMediaStore()
        case "s3":
            server: SeaweedServer = request.getfixturevalue("seaweedfs")
            settings = server.settings()
            async with S3MediaStore.connect(settings, bounds=PATIENT, temporary=tmp_path / "copies") as store:
                yield store


async def in_pieces(data: bytes, size: int = 10_000) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def keep(store: MediaStore, data: bytes, *, name: str = "photo", kind: MediaKind = KIND) -> StoredFile:
    return await store.put(kind, name, in_pieces(data), max_bytes=len(data))


async def read(store: MediaStore, key: MediaKey, *, start: int = 0, end: int | None = None) -> bytes:
    return b"".join([chunk async for chunk in store.open(key, start=start, end=end)])


async def nothing_is_left(store: MediaStore, name: str = "photo") -> bool:
    """Whether there is no file of this name, and nothing of an interrupted write."""
    for kind in MediaKind:
        with pytest.raises(MediaNotFound):
            await store.size(MediaKey(kind, name))
    return await store.remove_partial(older_than=datetime.now(UTC) + AGES) == 0


# Whole files


@pytest.mark.parametrize("data", [b"", b"x", BIG], ids=["empty", "a byte", "a megabyte"])
@pytest.mark.parametrize("kind", MediaKind)
async def test_a_file_comes_back_as_it_was_put(store: MediaStore, kind: MediaKind, data: bytes) -> None:
    stored = await keep(store, data, kind=kind)
    assert stored == StoredFile(MediaKey(kind, "photo"), len(data), hashlib.sha256(data).hexdigest())
    assert await store.size(stored.key) == len(data)
    assert await read(store, stored.key) == data
    async with store.local(stored.key) as path:
        assert bytes_of(path) == data


async def test_files_of_different_kinds_do_not_touch_each_other(store: MediaStore) -> None:
    for kind in MediaKind:
        await keep(store, str(kind).encode(), kind=kind)
    assert [await read(store, MediaKey(kind, "photo")) for kind in MediaKind] == [str(k).encode() for k in MediaKind]


async def test_a_file_of_the_same_name_is_replaced_in_one_step(store: MediaStore) -> None:
    await keep(store, b"old")
    halfway = asyncio.Event()
    go_on = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield BIG
        halfway.set()
        await go_on.wait()
        yield b"!"

    putting = asyncio.create_task(store.put(KIND, "photo", slowly(), max_bytes=2 * MIB))
    await halfway.wait()
    assert await read(store, MediaKey(KIND, "photo")) == b"old"
    go_on.set()
    await putting
    assert await read(store, MediaKey(KIND, "photo")) == BIG + b"!"


async def test_concurrent_puts_of_one_name_leave_one_of_them_whole(store: MediaStore) -> None:
    contents = [bytes([number]) * 600_000 for number in range(5)]
    await asyncio.gather(*(keep(store, content) for content in contents))
    assert await read(store, MediaKey(KIND, "photo")) in contents


# Nothing half-written


async def test_a_file_on_its_way_is_not_seen(store: MediaStore) -> None:
    key = MediaKey(KIND, "photo")

    async def looking_on_the_way() -> AsyncIterator[bytes]:
        for _ in range(4):
            yield bytes(400_000)
            with pytest.raises(MediaNotFound):
                await store.size(key)

    await store.put(KIND, "photo", looking_on_the_way(), max_bytes=2 * MIB)
    assert await store.size(key) == 1_600_000


@pytest.mark.parametrize("sent", [5, MIB], ids=["a few bytes", "a megabyte"])
async def test_an_error_from_the_sender_leaves_nothing_and_goes_through(store: MediaStore, sent: int) -> None:
    async def breaking() -> AsyncIterator[bytes]:
        yield bytes(sent)
        raise ConnectionResetError("the client disconnected")

    with pytest.raises(ConnectionResetError):
        await store.put(KIND, "photo", breaking(), max_bytes=2 * MIB)
    assert await nothing_is_left(store)


@pytest.mark.parametrize("sent", [5, MIB], ids=["a few bytes", "a megabyte"])
async def test_a_cancelled_put_leaves_nothing(store: MediaStore, sent: int) -> None:
    waiting = asyncio.Event()

    async def stopping() -> AsyncIterator[bytes]:
        yield bytes(sent)
        waiting.set()
        await asyncio.Event().wait()

    putting = asyncio.create_task(store.put(KIND, "photo", stopping(), max_bytes=2 * MIB))
    await waiting.wait()
    putting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await putting
    assert await nothing_is_left(store)


@pytest.mark.parametrize("sent", [5, 400_000, MIB], ids=["a few bytes", "one write", "a megabyte"])
async def test_a_put_that_is_cancelled_again_while_it_cleans_up_leaves_nothing(store: MediaStore, sent: int) -> None:
    waiting = asyncio.Event()

    async def stopping() -> AsyncIterator[bytes]:
        yield bytes(sent)
        waiting.set()
        await asyncio.Event().wait()

    putting = asyncio.create_task(store.put(KIND, "photo", stopping(), max_bytes=2 * MIB))
    await waiting.wait()
    while not putting.done():
        putting.cancel()
        await asyncio.sleep(0)
    assert putting.cancelled()
    assert await nothing_is_left(store)


async def test_a_put_cancelled_at_any_moment_leaves_all_or_nothing(store: MediaStore) -> None:
    """Cancelled at once, after one turn of the loop, after more and more, until it was done before that."""
    turns = 0
    while True:
        putting = asyncio.create_task(store.put(KIND, "photo", in_pieces(BIG, 300_000), max_bytes=2 * MIB))
        for _ in range(turns):
            await asyncio.sleep(0)
        if not putting.cancel():
            break
        (answer,) = await asyncio.gather(putting, return_exceptions=True)
        assert isinstance(answer, asyncio.CancelledError)
        assert await nothing_is_left(store)
        turns += 1 + turns // 8
    assert await read(store, (await putting).key) == BIG


async def test_too_many_bytes_are_refused_and_leave_nothing(store: MediaStore) -> None:
    with pytest.raises(PayloadTooLarge):
        await store.put(KIND, "photo", in_pieces(BIG), max_bytes=len(BIG) - 1)
    assert await nothing_is_left(store)
    await store.put(KIND, "photo", in_pieces(BIG), max_bytes=len(BIG))


async def test_no_more_is_taken_from_a_sender_than_is_needed_to_see_that_it_is_too_much(store: MediaStore) -> None:
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 1000
            yield bytes(1000)

    with pytest.raises(PayloadTooLarge):
        await store.put(KIND, "photo", endless(), max_bytes=10_000)
    assert taken == 11_000


async def test_a_refused_replacement_leaves_the_old_file(store: MediaStore) -> None:
    await keep(store, b"old")
    with pytest.raises(PayloadTooLarge):
        await store.put(KIND, "photo", in_pieces(BIG), max_bytes=10)
    assert await read(store, MediaKey(KIND, "photo")) == b"old"


# Names


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../photo", "a/b", "/etc/passwd", "a\\b", "a\0b", ".partial", "-rf", "Ä", "UP", "a\n", "x" * 129],
)
async def test_no_name_from_outside_becomes_a_path(store: MediaStore, name: str, tmp_path: Path) -> None:
    before = everything_in(tmp_path)
    with pytest.raises(ValueError):
        await store.put(KIND, name, one_chunk(b"x"), max_bytes=10)
    assert everything_in(tmp_path) == before


# Reading


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (0, None),
        (0, 0),
        (0, 1),
        (5, 5),
        (7, 3),
        (len(BIG) - 1, None),
        (len(BIG), None),
        (len(BIG) + 5, None),
        (0, len(BIG) + 5),
        (256 * 1024 - 1, 256 * 1024 + 1),
        (1, 900_000),
    ],
)
async def test_a_range_is_what_a_slice_would_be(store: MediaStore, start: int, end: int | None) -> None:
    stored = await keep(store, BIG)
    assert await read(store, stored.key, start=start, end=end) == BIG[start:end]


async def test_a_range_before_the_file_is_a_mistake(store: MediaStore) -> None:
    stored = await keep(store, b"abc")
    for start, end in ((-1, None), (0, -1)):
        with pytest.raises(ValueError):
            await read(store, stored.key, start=start, end=end)


async def test_a_big_file_comes_in_chunks_of_bounded_size(store: MediaStore) -> None:
    stored = await keep(store, BIG)
    sizes = [len(chunk) async for chunk in store.open(stored.key)]
    assert len(sizes) > 1
    assert max(sizes) <= 512 * 1024


async def test_a_file_that_is_deleted_while_it_is_read_is_read_to_its_end(store: MediaStore) -> None:
    stored = await keep(store, BIG)
    chunks = store.open(stored.key)
    data = await anext(chunks)
    await store.delete(stored.key)
    assert data + b"".join([chunk async for chunk in chunks]) == BIG


async def test_a_file_that_is_replaced_while_it_is_read_is_read_as_it_was(store: MediaStore) -> None:
    stored = await keep(store, BIG)
    chunks = store.open(stored.key)
    data = await anext(chunks)
    await keep(store, b"new")
    assert data + b"".join([chunk async for chunk in chunks]) == BIG


async def test_what_is_not_there_is_not_found(store: MediaStore) -> None:
    missing = MediaKey(KIND, "missing")
    with pytest.raises(MediaNotFound):
        await store.size(missing)
    with pytest.raises(MediaNotFound):
        await anext(store.open(missing))
    with pytest.raises(MediaNotFound):
        async with store.local(missing):
            pytest.fail("there is no such file")
    await store.delete(missing)


async def test_a_deleted_file_is_gone(store: MediaStore) -> None:
    stored = await keep(store, b"abc")
    for _ in range(2):
        await store.delete(stored.key)
        with pytest.raises(MediaNotFound):
            await store.size(stored.key)


# Housekeeping


async def test_a_healthy_store_passes_its_check_and_the_check_leaves_nothing(store: MediaStore) -> None:
    await store.check()
    assert await nothing_is_left(store)


def bytes_of(path: Path) -> bytes:
    return path.read_bytes()


def everything_in(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


# Room


async def test_the_room_that_is_left_is_told(tmp_path: Path) -> None:
    assert await MemoryMediaStore().free_bytes() is None
    assert await MemoryMediaStore(room_bytes=7).free_bytes() == 7
    free = await FilesystemMediaStore(tmp_path / "media").free_bytes()
    assert free is not None
    assert 0 < free <= shutil.disk_usage(tmp_path).total


# Notes


async def test_notes_are_found_until_they_are_removed(store: MediaStore) -> None:
    noted = [MediaKey(kind, f"a-name.{number}.webp") for number in (1, 2) for kind in MediaKind]
    for key in [*noted, noted[0]]:
        await store.note(key)
    assert {*await store.noted()} == {*noted}
    for key in [*noted[1:], noted[1], MediaKey(KIND, "never-noted")]:
        await store.remove_note(key)
    assert await store.noted() == noted[:1]
    with pytest.raises(MediaNotFound):
        await store.size(noted[0])
    await keep(store, b"abc", name=noted[0].name, kind=noted[0].kind)
    await store.remove_note(noted[0])
    assert await read(store, noted[0]) == b"abc"
    assert await store.noted() == []


# Links


async def test_a_link_is_one_to_the_store_itself_or_there_is_none(store: MediaStore) -> None:
    """What a link leads to is tested with each store that makes them."""
    stored = await keep(store, b"abc")
    link = await store.link(stored.key, valid_for=timedelta(minutes=1), media_type="image/jpeg")
    assert link is None or link.startswith(("http://", "https://"))
