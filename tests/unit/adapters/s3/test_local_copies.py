"""Copies of files on disk: private, bounded, and removed, also those of a process that was killed."""

from __future__ import annotations

import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from photochanger.adapters.memory import MemoryMediaStore
from photochanger.adapters.s3.local_copies import LocalCopies
from photochanger.core.domain.errors import MediaNotFound, StorageUnavailable
from photochanger.core.domain.media import MediaKey, MediaKind, one_chunk

KEY = MediaKey(MediaKind.RESULTS, "picture.jpg")


@pytest.fixture
async def store(anyio_backend: str) -> MemoryMediaStore:
    store = MemoryMediaStore()
    await store.put(KEY.kind, KEY.name, one_chunk(bytes(1000)), max_bytes=1000)
    return store


@pytest.mark.anyio
async def test_a_copy_is_private_and_there_while_the_block_lasts(store: MemoryMediaStore, tmp_path: Path) -> None:
    with LocalCopies.in_folder(tmp_path / "new", max_bytes=1000) as copies:
        async with copies.copy(store, KEY) as path:
            assert path.read_bytes() == bytes(1000)
            assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert not path.exists()
        with pytest.raises(RuntimeError):
            async with copies.copy(store, KEY) as path:
                raise RuntimeError("in the block")
        assert not path.exists()
    assert list((tmp_path / "new").iterdir()) == []


@pytest.mark.anyio
async def test_copies_are_bounded_together(store: MemoryMediaStore, tmp_path: Path) -> None:
    with LocalCopies.in_folder(tmp_path, max_bytes=1999) as copies:
        async with copies.copy(store, KEY):
            with pytest.raises(StorageUnavailable, match="too many copies"):
                async with copies.copy(store, KEY):
                    pytest.fail("there is no room")
        async with copies.copy(store, KEY):
            pass


@pytest.mark.anyio
async def test_what_is_missing_has_no_copy(store: MemoryMediaStore, tmp_path: Path) -> None:
    with LocalCopies.in_folder(tmp_path, max_bytes=1000) as copies:
        with pytest.raises(MediaNotFound):
            async with copies.copy(store, MediaKey(KEY.kind, "missing")):
                pytest.fail("there is no such file")
        async with copies.copy(store, KEY) as path:
            assert path.exists()


@pytest.mark.anyio
async def test_a_folder_that_cannot_be_used_is_a_fault_of_the_store(store: MemoryMediaStore, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StorageUnavailable), LocalCopies.in_folder(tmp_path / "file", max_bytes=1):
        pytest.fail("it is a file")
    with LocalCopies.in_folder(tmp_path, max_bytes=1000) as copies:
        remove_folders(tmp_path)
        with pytest.raises(StorageUnavailable):
            async with copies.copy(store, KEY):
                pytest.fail("the folder is gone")


def remove_folders(parent: Path) -> None:
    for folder in parent.glob("photochanger-copies-*"):
        shutil.rmtree(folder)


CHILD = """
import sys
from pathlib import Path
from photochanger.adapters.s3.local_copies import LocalCopies

with LocalCopies.in_folder(Path(sys.argv[1]), max_bytes=1):
    next(Path(sys.argv[1]).glob("photochanger-copies-*")).joinpath("guest.jpg").write_text("a photo")
    print("ready", flush=True)
    sys.stdin.read()
"""


def test_copies_of_a_killed_process_are_removed_and_those_of_a_living_one_are_not(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        with LocalCopies.in_folder(tmp_path, max_bytes=1):
            assert len([*tmp_path.glob("*/guest.jpg")]) == 1
        child.kill()
    with LocalCopies.in_folder(tmp_path, max_bytes=1):
        assert [*tmp_path.glob("*/guest.jpg")] == []
    assert list(tmp_path.iterdir()) == []
