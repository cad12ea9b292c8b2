"""The media store on a real folder on its bad days: links, strangers' files, a full disk, an interrupted process."""

from __future__ import annotations

import asyncio
import errno
import gc
import itertools
import os
import random
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from photochanger.adapters.filesystem import FilesystemMediaStore
from photochanger.adapters.filesystem.cached_read import read_cached
from photochanger.adapters.memory import MemoryTelemetry
from photochanger.core.domain.errors import MediaNotFound, StorageUnavailable
from photochanger.core.domain.media import MediaKey, MediaKind, one_chunk

pytestmark = pytest.mark.anyio

KIND = MediaKind.PAYLOADS
KEY = MediaKey(KIND, "photo")
HOUR = timedelta(hours=1)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "media"


@pytest.fixture
def store(root: Path) -> FilesystemMediaStore:
    return FilesystemMediaStore(root)


def files_in(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir())


def test_the_folders_are_made_at_the_start_and_are_private(store: FilesystemMediaStore, root: Path) -> None:
    made = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (root, *root.iterdir())}
    assert made == dict.fromkeys(["media", ".partial", ".unrecorded", *MediaKind], 0o700) | {"media": 0o700}


def test_starting_again_keeps_the_files(store: FilesystemMediaStore, root: Path) -> None:
    (root / KIND / "photo").write_bytes(b"abc")
    FilesystemMediaStore(root)
    assert files_in(root) == ["payloads/photo"]


def test_a_root_that_cannot_be_made_is_said_so_without_its_path(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_bytes(b"")
    with pytest.raises(StorageUnavailable) as error:
        FilesystemMediaStore(in_the_way / "media")
    assert str(tmp_path) not in error.value.detail


async def test_a_stored_file_is_private(store: FilesystemMediaStore, root: Path) -> None:
    await store.put(KIND, "photo", one_chunk(b"abc"), max_bytes=10)
    assert stat.S_IMODE(os.lstat(root / KIND / "photo").st_mode) == 0o600


async def test_local_gives_the_file_itself(store: FilesystemMediaStore, root: Path) -> None:
    await store.put(KIND, "photo", one_chunk(b"abc"), max_bytes=10)
    async with store.local(KEY) as path:
        assert path == root / KIND / "photo"


async def test_a_link_in_the_place_of_a_file_is_not_followed(store: FilesystemMediaStore, root: Path) -> None:
    secret = root.parent / "secret"
    place_link(root / KIND / "photo", secret)
    with pytest.raises(MediaNotFound):
        await anext(store.open(KEY))
    with pytest.raises(MediaNotFound):
        await store.size(KEY)
    with pytest.raises(MediaNotFound):
        async with store.local(KEY):
            pytest.fail("a link is no file of ours")
    await store.put(KIND, "photo", one_chunk(b"ours"), max_bytes=10)
    assert b"".join([chunk async for chunk in store.open(KEY)]) == b"ours"
    assert read(secret) == b"secret"


async def test_deleting_a_link_leaves_what_it_points_at(store: FilesystemMediaStore, root: Path) -> None:
    secret = root.parent / "secret"
    place_link(root / KIND / "photo", secret)
    await store.delete(KEY)
    assert read(secret) == b"secret"


async def test_a_folder_in_the_place_of_a_file_is_not_a_file(store: FilesystemMediaStore, root: Path) -> None:
    os.mkdir(root / KIND / "photo")
    with pytest.raises(MediaNotFound):
        await anext(store.open(KEY))
    with pytest.raises(MediaNotFound):
        await store.size(KEY)


async def test_a_folder_with_any_file_is_not_empty(store: FilesystemMediaStore, root: Path) -> None:
    assert await store.is_empty()
    write(root / KIND / ".DS_Store", b"x")
    assert not await store.is_empty()


async def test_what_a_killed_process_left_is_removed_once_it_is_old(store: FilesystemMediaStore, root: Path) -> None:
    writer = (
        "import asyncio, os, signal, sys\n"
        "from pathlib import Path\n"
        "from photochanger.adapters.filesystem import FilesystemMediaStore\n"
        "from photochanger.core.domain.media import MediaKind\n"
        "async def dying():\n"
        "    yield bytes(600_000)\n"
        "    yield bytes(600_000)\n"
        "    yield b'more'  # taken only once the first bytes are written\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "store = FilesystemMediaStore(Path(sys.argv[1]))\n"
        "asyncio.run(store.put(MediaKind.PAYLOADS, 'photo', dying(), max_bytes=2_000_000))\n"
    )
    assert run(writer, root).returncode == -9
    (left,) = files_in(root)
    assert left.startswith(".partial/")
    assert await store.remove_partial(older_than=datetime.now(UTC) - HOUR) == 0
    assert await store.remove_partial(older_than=datetime.now(UTC) + HOUR) == 1
    assert files_in(root) == []


async def test_no_descriptor_stays_open_after_puts_that_were_cancelled_twice(store: FilesystemMediaStore) -> None:
    async def stopping(waiting: asyncio.Event) -> AsyncIterator[bytes]:
        yield bytes(400_000)
        waiting.set()
        await asyncio.Event().wait()

    gc.collect()  # what other tests have left is closed now, and not in between
    before = open_descriptors()
    for _ in range(10):
        waiting = asyncio.Event()
        putting = asyncio.create_task(store.put(KIND, "photo", stopping(waiting), max_bytes=2_000_000))
        await waiting.wait()
        putting.cancel()
        await asyncio.sleep(0)
        putting.cancel()
        await asyncio.gather(putting, return_exceptions=True)
    assert open_descriptors() <= before


async def test_a_disk_that_is_really_full_leaves_nothing(root: Path) -> None:
    """The operating system itself stops the file at 300 kB, in the middle of a write."""
    writer = (
        "import asyncio, resource, sys\n"
        "from pathlib import Path\n"
        "from photochanger.adapters.filesystem import FilesystemMediaStore\n"
        "from photochanger.core.domain.errors import StorageUnavailable\n"
        "from photochanger.core.domain.media import MediaKind\n"
        "async def photo():\n"
        "    for _ in range(10):\n"
        "        yield bytes(100_000)\n"
        "store = FilesystemMediaStore(Path(sys.argv[1]))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))\n"
        "try:\n"
        "    asyncio.run(store.put(MediaKind.PAYLOADS, 'photo', photo(), max_bytes=2_000_000))\n"
        "except StorageUnavailable as error:\n"
        "    print(error.detail)\n"
    )
    ended = run(writer, root)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == "The media store has no space left.\n"
    assert files_in(root) == []


@pytest.mark.parametrize("call", ["pwrite", "fsync"])
@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.ENOSPC, "The media store has no space left."),
        (errno.EROFS, "The media store is read-only."),
        (errno.EIO, "The media store cannot be read or written right now."),
    ],
)
async def test_trouble_of_the_disk_is_one_error_with_one_sentence(
    store: FilesystemMediaStore, root: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int, sentence: str
) -> None:
    def failing(*_: object) -> int:
        raise OSError(number, os.strerror(number), str(root / "internal"))

    monkeypatch.setattr(os, call, failing)
    with pytest.raises(StorageUnavailable) as error:
        await store.put(KIND, "photo", large(), max_bytes=1_000_000)
    monkeypatch.undo()
    assert error.value.detail == sentence
    assert files_in(root) == []


async def test_a_folder_that_is_gone_is_unavailable_not_empty(store: FilesystemMediaStore, root: Path) -> None:
    os.rmdir(root / KIND)
    with pytest.raises(StorageUnavailable):
        await store.put(KIND, "photo", large(), max_bytes=1_000_000)
    with pytest.raises(StorageUnavailable):
        await store.size(KEY)
    with pytest.raises(StorageUnavailable):
        await store.check()
    assert files_in(root) == []


async def test_a_file_is_on_the_disk_before_it_is_seen_and_its_name_before_the_answer(
    store: FilesystemMediaStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync, synced = os.fsync, []

    def noting(descriptor: int) -> None:
        synced.append((os.fstat(descriptor).st_ino, files_in(root / KIND)))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", noting)
    await store.put(KIND, "photo", large(), max_bytes=1_000_000)
    monkeypatch.undo()
    file, folder = (os.lstat(path).st_ino for path in (root / KIND / "photo", root / KIND))
    assert synced == [(file, []), (folder, ["photo"])]


async def test_short_writes_of_the_system_are_continued(
    store: FilesystemMediaStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_some = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda file, data, at: write_some(file, bytes(data[:77_777]), at))
    await store.put(KIND, "photo", large(), max_bytes=1_000_000)
    monkeypatch.undo()
    assert b"".join([chunk async for chunk in store.open(KEY)]) == bytes(600_000)


@pytest.mark.parametrize("cached", ["all", "some", "nothing"])
async def test_what_is_in_memory_and_what_is_not_make_the_same_file(
    store: FilesystemMediaStore, monkeypatch: pytest.MonkeyPatch, cached: str
) -> None:
    in_memory = itertools.cycle([True, False])

    def read_from_memory(descriptor: int, count: int, at: int) -> bytes | None:
        is_cached = cached == "all" or (cached == "some" and next(in_memory))
        return os.pread(descriptor, count, at) if is_cached else None

    monkeypatch.setattr("photochanger.adapters.filesystem.store.read_cached", read_from_memory)
    data = random.Random(5).randbytes(900_000)
    await store.put(KEY.kind, KEY.name, one_chunk(data), max_bytes=len(data))
    for start, end in ((0, None), (1, None), (131_072, 786_432), (5, 131_078), (900_000, None)):
        assert b"".join([chunk async for chunk in store.open(KEY, start=start, end=end)]) == data[start:end]


def test_a_read_from_memory_is_all_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    with path.open("rb") as file:
        assert read_cached(file.fileno(), 4, 3) in (b"3456", None)
        assert read_cached(file.fileno(), 4, 8) is None, "the file ends before"
        for answer in (BlockingIOError(), OSError(errno.EOPNOTSUPP, "not here"), 2):
            monkeypatch.setattr(os, "preadv", _answering(answer))
            assert read_cached(file.fileno(), 4, 3) is None
        monkeypatch.setattr("photochanger.adapters.filesystem.cached_read._DO_NOT_WAIT", None)
        assert read_cached(file.fileno(), 4, 3) is None


def _answering(answer: OSError | int) -> Callable[..., int]:
    def preadv(*arguments: object) -> int:
        if isinstance(answer, OSError):
            raise answer
        return answer

    return preadv


async def large() -> AsyncIterator[bytes]:
    for _ in range(6):
        yield bytes(100_000)


def run(program: str, *arguments: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", program, *map(str, arguments)], capture_output=True, text=True)


def place_link(link: Path, target: Path) -> None:
    target.write_bytes(b"secret")
    link.symlink_to(target)


def read(path: Path) -> bytes:
    return path.read_bytes()


def write(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def open_descriptors() -> set[int]:
    return {number for number in range(1024) if is_open(number)}


def is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


async def test_what_comes_and_goes_is_told_by_kind_and_size(tmp_path: Path) -> None:
    telemetry = MemoryTelemetry()
    store = FilesystemMediaStore(tmp_path, telemetry=telemetry)
    kept = await store.put(MediaKind.RESULTS, "picture", one_chunk(b"12345"), max_bytes=5)
    for _ in range(2):
        await store.delete(kept.key)
    assert telemetry.records == [
        ("media_stored", {"kind": MediaKind.RESULTS, "size_bytes": 5}),
        ("media_removed", {"kind": MediaKind.RESULTS, "size_bytes": 5}),
    ]
