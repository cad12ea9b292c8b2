"""Which photos of a folder are ready to be sent."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from photochanger.entrypoints.cli.watch.scanner import (
    STABLE_SECONDS,
    UNFINISHED_SECONDS,
    FolderScanner,
    has_end,
    is_photo_name,
)

from tests.support import photos


class Looks:
    """A scanner whose clock stands still between its looks."""

    def __init__(self, folder: Path) -> None:
        self.now = 0.0
        self._scanner = FolderScanner(folder, monotonic=lambda: self.now)
        self.postpone = self._scanner.postpone

    def after(self, seconds: float, *, busy: frozenset[str] = frozenset(), limit: int = 100) -> list[str]:
        self.now += seconds
        return self._scanner.ready(busy=busy, limit=limit)

    @property
    def unready(self) -> int:
        return self._scanner.unready


@pytest.fixture
def looks(tmp_path: Path) -> Looks:
    return Looks(tmp_path)


def test_a_photo_is_ready_when_two_looks_find_it_unchanged(tmp_path: Path, looks: Looks) -> None:
    (tmp_path / "a.jpg").write_bytes(photos.jpeg())
    assert looks.after(0) == []
    assert looks.unready == 1
    assert looks.after(STABLE_SECONDS) == ["a.jpg"]
    assert looks.unready == 0


def test_a_photo_that_grows_is_not_ready_before_it_has_stopped(tmp_path: Path, looks: Looks) -> None:
    data = photos.jpeg()
    with (tmp_path / "a.jpg").open("wb", buffering=0) as file:
        for start in range(0, len(data), 1000):
            file.write(data[start : start + 1000])
            assert looks.after(STABLE_SECONDS) == []
    assert looks.after(STABLE_SECONDS) == ["a.jpg"]


def test_a_photo_that_is_written_again_with_the_same_size_is_not_ready(tmp_path: Path, looks: Looks) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(photos.jpeg())
    assert looks.after(0) == []
    os.utime(path, ns=(1, 1))
    assert looks.after(STABLE_SECONDS) == []
    assert looks.after(STABLE_SECONDS) == ["a.jpg"]


@pytest.mark.parametrize("whole", [photos.jpeg(), photos.png(), photos.webp()], ids=["jpeg", "png", "webp"])
def test_a_copy_with_its_final_size_in_advance_waits_longer(tmp_path: Path, looks: Looks, whole: bytes) -> None:
    path = tmp_path / "a.jpg"
    half = whole[: len(whole) // 2]
    path.write_bytes(half + bytes(len(whole) - len(half)) if not whole.startswith(b"RIFF") else half)
    looks.after(0)
    assert looks.after(UNFINISHED_SECONDS / 2) == []
    path.write_bytes(whole)
    assert looks.after(STABLE_SECONDS) == []
    assert looks.after(STABLE_SECONDS) == ["a.jpg"]


def test_a_photo_without_an_end_is_ready_at_last(tmp_path: Path, looks: Looks) -> None:
    """The service decides what is wrong with it."""
    (tmp_path / "a.jpg").write_bytes(photos.jpeg()[:-200])
    looks.after(0)
    assert looks.after(UNFINISHED_SECONDS) == ["a.jpg"]


def test_the_oldest_come_first_and_no_more_than_the_limit(tmp_path: Path, looks: Looks) -> None:
    for age, name in enumerate(("c.jpg", "a.jpg", "b.jpg")):
        (tmp_path / name).write_bytes(photos.jpeg())
        os.utime(tmp_path / name, ns=(age + 1, age + 1))
    looks.after(0)
    assert looks.after(STABLE_SECONDS, limit=2) == ["c.jpg", "a.jpg"]
    assert looks.unready == 1
    assert looks.after(0, busy=frozenset({"c.jpg", "a.jpg"})) == ["b.jpg"]
    assert looks.after(0, limit=0) == []


def test_a_postponed_photo_is_ready_later(tmp_path: Path, looks: Looks) -> None:
    (tmp_path / "a.jpg").write_bytes(photos.jpeg())
    looks.after(0)
    assert looks.after(STABLE_SECONDS) == ["a.jpg"]
    looks.postpone("a.jpg", 5)
    assert looks.after(4) == []
    assert looks.after(1) == ["a.jpg"]


def test_a_name_that_is_used_again_is_a_new_photo(tmp_path: Path, looks: Looks) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(photos.jpeg())
    looks.after(0)
    looks.after(STABLE_SECONDS)
    facts = path.stat()
    path.unlink()
    looks.after(1)
    path.write_bytes(photos.jpeg())
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert looks.after(STABLE_SECONDS) == []


@pytest.mark.parametrize("name", ["a.jpg", "A.JPEG", "b.PNG", "c.webp", "d.HEIC", "e.heif", "имя.jpg"])
def test_photos_by_name(name: str) -> None:
    assert is_photo_name(name)


@pytest.mark.parametrize(
    "name", [".a.jpg", "~a.jpg", "a.jpg.part", "a.jpg.tmp", "a.jpg.crdownload", "a.txt", "a.jpg~", "jpg", ""]
)
def test_files_that_are_no_photos_or_not_written_yet(name: str) -> None:
    assert not is_photo_name(name)


def test_folders_and_empty_files_are_no_photos(tmp_path: Path, looks: Looks) -> None:
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "empty.jpg").touch()
    looks.after(0)
    assert looks.after(UNFINISHED_SECONDS) == []
    assert looks.unready == 0


def test_a_folder_that_is_away_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Looks(tmp_path / "share").after(0)


def test_types_without_an_end_marker_count_as_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.heic"
    path.write_bytes(b"\x00\x00\x00\x18ftypheic")
    assert has_end(path)
