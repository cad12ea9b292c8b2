"""The media folder fails for a moment: what arrives is stored when it is back, and nothing else."""

from __future__ import annotations

import errno
import hashlib
import os
import resource
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from photochanger.adapters.filesystem import FilesystemMediaStore
from photochanger.adapters.filesystem.partial import PartialFile
from photochanger.core.domain.errors import MediaNotFound, StorageUnavailable
from photochanger.core.domain.media import MediaKey, MediaKind
from photochanger.core.domain.slots.slot import Route, RouteEntry

from tests.support import photos
from tests.support.service import Service, eventually, rows, serving, set_slot
from tests.support.standins.server import Held
from tests.support.standins.studio import StudioStandIn

KEY = MediaKey(MediaKind.PAYLOADS, "photo")
DATA = bytes(range(256)) * 4000
SLOT = "slot-005"
PHOTO = photos.jpeg(1600, 1200)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "media"


@pytest.fixture
def store(root: Path) -> FilesystemMediaStore:
    return FilesystemMediaStore(root)


class Fault:
    """A FaultHandler that ends its fault after some calls."""

    def __init__(self, end: Callable[[], None], *, after: int = 3) -> None:
        self.errors: list[StorageUnavailable] = []
        self._end = end
        self._after = after

    async def __call__(self, error: StorageUnavailable) -> None:
        self.errors.append(error)
        if len(self.errors) == self._after:
            self._end()


async def arriving() -> AsyncIterator[bytes]:
    for at in range(0, len(DATA), 50_000):
        yield DATA[at : at + 50_000]


def files_in(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


@pytest.mark.anyio
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EIO, errno.EDQUOT])
@pytest.mark.parametrize("call", ["open", "pwrite", "fsync", "replace"])
async def test_a_photo_that_arrives_outlasts_a_fault(
    store: FilesystemMediaStore, root: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    owner: Any = Path if call == "replace" else os
    original = getattr(owner, call)

    def failing(*args: Any, **options: Any) -> Any:
        if call == "open" and not args[1] & os.O_CREAT:
            return original(*args, **options)
        if call == "pwrite":
            original(args[0], bytes(args[1][:1000]), args[2])  # a part of it is written
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(owner, call, failing)
    fault = Fault(lambda: monkeypatch.setattr(owner, call, original))
    stored = await store.put(KEY.kind, KEY.name, arriving(), max_bytes=len(DATA), on_fault=fault)
    assert len(fault.errors) == 3
    assert stored.sha256 == hashlib.sha256(DATA).hexdigest()
    assert (root / "payloads" / "photo").read_bytes() == DATA
    assert files_in(root) == ["payloads/photo"]


@pytest.mark.anyio
async def test_a_fault_that_lasts_leaves_no_file(
    store: FilesystemMediaStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def give_up() -> None:
        raise StorageUnavailable("It lasted too long.")

    monkeypatch.setattr(os, "fsync", _fails)
    with pytest.raises(StorageUnavailable, match="too long"):
        await store.put(KEY.kind, KEY.name, arriving(), max_bytes=len(DATA), on_fault=Fault(give_up))
    assert files_in(root) == []


def test_bytes_that_a_failed_flush_has_lost_are_not_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    partial, target = PartialFile(tmp_path), tmp_path / "photo"
    partial.write(DATA)
    monkeypatch.setattr(os, "fsync", _fails)
    with pytest.raises(OSError, match="Input/output"):
        partial.publish(b"", target)
    monkeypatch.undo()
    (written,) = tmp_path.iterdir()
    written.write_bytes(b"\0" * len(DATA))  # the system drops what it could not write
    with pytest.raises(OSError, match="read back something else"):
        partial.publish(b"", target)
    assert list(tmp_path.iterdir()) == [written]
    written.write_bytes(DATA)
    partial.publish(b"", target)
    assert (target.read_bytes(), list(tmp_path.iterdir())) == (DATA, [target])


def _fails(*_: object) -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


@pytest.mark.anyio
async def test_a_store_that_is_away_has_lost_no_file(store: FilesystemMediaStore, root: Path) -> None:
    await store.put(KEY.kind, KEY.name, arriving(), max_bytes=len(DATA))
    with away(root):
        with pytest.raises(StorageUnavailable):
            await store.size(KEY)
        with pytest.raises(StorageUnavailable):
            await anext(store.open(KEY))
        with pytest.raises(StorageUnavailable):
            await store.delete(KEY)
        with pytest.raises(StorageUnavailable):
            await store.local(KEY).__aenter__()
    with pytest.raises(MediaNotFound):
        await _read_too_late(store)
    await store.delete(KEY)
    assert files_in(root) == []


async def _read_too_late(store: FilesystemMediaStore) -> None:
    async with store.local(KEY) as path:
        path.unlink()
        path.read_bytes()


@contextmanager
def away(folder: Path) -> Iterator[None]:
    """Take the folder away, as an unmounted disk."""
    elsewhere = folder.with_name("elsewhere")
    folder.rename(elsewhere)
    try:
        yield
    finally:
        elsewhere.rename(folder)


@contextmanager
def full(service: Service) -> Iterator[None]:
    """Let no process of the service write to a file, as if the disk were full; works for every user."""
    processes = [psutil.Process(service.process.pid), *service.workers()]
    limits = [process.rlimit(resource.RLIMIT_FSIZE) for process in processes]
    for process, (_, hard) in zip(processes, limits, strict=True):
        process.rlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        for process, limit in zip(processes, limits, strict=True):
            process.rlimit(resource.RLIMIT_FSIZE, limit)


FAULT_SECONDS = 2.0
"""How long the disk fails. A photo that comes later meets no fault and is no proof, but no failure either."""


def test_photos_and_pictures_outlast_a_fault_of_the_disk_in_real_processes(tmp_path: Path, postgres_url: str) -> None:
    studio = StudioStandIn()
    with (
        studio.running_in_thread(),
        serving(tmp_path, database_url=postgres_url, private_hosts="127.0.0.1") as service,
        ThreadPoolExecutor() as cameras,
    ):
        entry = RouteEntry("http", "image_edit", {"url": f"{studio.url}/render"})
        set_slot(postgres_url, SLOT, Route(entries=(entry,)))
        for fault in (full(service), away(tmp_path / "media")):
            held, calls = Held(), len(studio.received)
            studio.script(held)
            before = cameras.submit(service.send, PHOTO, SLOT)
            eventually(lambda calls=calls: len(studio.received) > calls)
            with fault:
                held.release()  # the picture comes while it cannot be stored
                during = cameras.submit(service.send, PHOTO, SLOT)
                threading.Event().wait(FAULT_SECONDS)
            assert [answer.result().status_code for answer in (before, during)] == [200, 200]
        assert len(studio.received) == 4
        assert rows(postgres_url, "select count(*) from photochanger.jobs where state <> 'succeeded'") == [(0,)]
        eventually(lambda: not files_in(tmp_path / "media" / "payloads"))
