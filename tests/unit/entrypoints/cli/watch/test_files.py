"""Moves without replacing, on disks with hard links and on shares without."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from photochanger.core.domain.errors import ConfigurationError
from photochanger.entrypoints.cli.watch.files import (
    only_process,
    place,
    remove_parts,
    rename_new,
    sha256_of,
    write_part,
)


def no_links(source: object, target: object) -> None:
    raise PermissionError(1, "Operation not permitted")


@pytest.fixture(params=["links", "no links"])
def disk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "no links":
        monkeypatch.setattr(os, "link", no_links)


@pytest.mark.usefixtures("disk")
def test_a_taken_name_gets_a_number_and_nothing_is_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "done"
    folder.mkdir()
    names = []
    for content in ("one", "two", "three"):
        (tmp_path / "a.jpg").write_text(content)
        names.append(place(tmp_path / "a.jpg", folder, stem="a", suffix=".jpg").name)
    assert names == ["a.jpg", "a-2.jpg", "a-3.jpg"]
    assert [(folder / name).read_text() for name in names] == ["one", "two", "three"]
    assert not (tmp_path / "a.jpg").exists()


@pytest.mark.usefixtures("disk")
def test_renaming_to_a_taken_name_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").write_text("b")
    with pytest.raises(FileExistsError):
        rename_new(tmp_path / "a", tmp_path / "b")
    assert ((tmp_path / "a").read_text(), (tmp_path / "b").read_text()) == ("a", "b")


def test_a_photo_that_another_program_has_open_is_in_one_place_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On Windows it can be linked, but not deleted."""
    (tmp_path / "a").write_text("a")
    unlink: Callable[..., None] = Path.unlink

    def unlink_others(path: Path, missing_ok: bool = False) -> None:
        if path == tmp_path / "a":
            raise PermissionError(13, "The process cannot access the file")
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", unlink_others)
    with pytest.raises(PermissionError):
        rename_new(tmp_path / "a", tmp_path / "b")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_temporary_files_are_hidden_and_deleted_at_the_next_start(tmp_path: Path) -> None:
    part = write_part(tmp_path, b"picture")
    assert part.name.startswith(".")
    assert part.suffix == ".part"
    (tmp_path / "other.part").touch()
    remove_parts(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["other.part"]


def test_checksums_are_those_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256_of(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def _hold(folder: Path, ready: object, end: object) -> None:
    with only_process(folder):
        ready.set()  # type: ignore[attr-defined]
        end.wait()  # type: ignore[attr-defined]


def test_a_folder_is_watched_by_one_process_and_free_after_its_death(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    ready, end = spawn.Event(), spawn.Event()
    process = spawn.Process(target=_hold, args=(tmp_path, ready, end))
    process.start()
    ready.wait()
    with pytest.raises(ConfigurationError, match="watched by another process"), only_process(tmp_path):
        pass
    process.kill()
    process.join()
    with only_process(tmp_path):
        pass
