"""Folders of the service: closed to other accounts, and only where nothing else is harmed by that."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from photochanger.adapters.private_folder import FolderNotPrivate, close_file, make_private

MARKS = ("media", "secret.key")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder that is open to everyone."""
    made = tmp_path / "folder"
    made.mkdir()
    made.chmod(0o755)
    return made


def test_missing_folders_are_made_for_this_account_alone(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    umask = os.umask(0)
    try:
        make_private(tmp_path / "a" / "b" / "c")
    finally:
        os.umask(umask)
    assert [mode(tmp_path / part) for part in ("a", "a/b", "a/b/c")] == [0o700] * 3
    assert mode(tmp_path) == 0o755, "what was there before is not the service's"


@pytest.mark.parametrize("open_mode", [0o777, 0o755, 0o750, 0o701, 0o710, 0o1777, 0o2775])
def test_an_empty_folder_is_closed(folder: Path, open_mode: int) -> None:
    folder.chmod(open_mode)
    make_private(folder, marks=MARKS)
    assert mode(folder) == 0o700


def test_a_log_that_was_begun_before_the_first_start_is_no_sign_of_others(folder: Path) -> None:
    (folder / "service.log").touch()
    make_private(folder, marks=MARKS)
    assert mode(folder) == 0o700


def test_a_folder_with_usual_names_alone_is_closed(folder: Path) -> None:
    (folder / "results").mkdir()
    make_private(folder, marks=MARKS, usual=["results"])
    assert mode(folder) == 0o700
    (folder / "index.html").touch()
    folder.chmod(0o755)
    with pytest.raises(FolderNotPrivate):
        make_private(folder, marks=MARKS, usual=["results"])


@pytest.mark.parametrize("known", MARKS)
def test_a_folder_of_the_service_is_closed(folder: Path, known: str, caplog: pytest.LogCaptureFixture) -> None:
    (folder / known).touch()
    (folder / "notes.txt").touch()
    make_private(folder, marks=MARKS)
    assert mode(folder) == 0o700
    assert "0755" in caplog.text


def test_a_folder_of_something_else_is_refused_and_stays_as_it_is(folder: Path) -> None:
    (folder / "index.html").write_text("a web site")
    with pytest.raises(FolderNotPrivate, match=f"chmod 700 {folder}"):
        make_private(folder, marks=MARKS)
    assert mode(folder) == 0o755
    folder.chmod(0o700)
    make_private(folder, marks=MARKS)


def test_a_private_folder_is_left_alone(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder.chmod(0o500)
    make_private(folder, marks=MARKS)
    assert mode(folder) == 0o500
    assert caplog.text == ""


def test_a_folder_of_another_account_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: folder.stat().st_uid + 1)
    with pytest.raises(FolderNotPrivate, match=r"belongs to another account.*photochanger"):
        make_private(folder, marks=MARKS)
    folder.chmod(0o700)
    make_private(folder, marks=MARKS)  # whether it can be entered shows when it is used


def test_a_file_in_its_place_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        make_private(tmp_path / "file")
    with pytest.raises(NotADirectoryError):
        make_private(tmp_path / "file" / "below")


def test_a_link_to_a_folder_is_followed(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder)
    make_private(tmp_path / "link", marks=MARKS)
    assert mode(folder) == 0o700


def test_a_file_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "secret.key"
    path.touch()
    path.chmod(0o664)
    with path.open("rb") as file:
        close_file(file.fileno())
    assert mode(path) == 0o600


def test_a_file_of_another_account_is_left_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "secret.key"
    path.touch()
    path.chmod(0o640)
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)
    with path.open("rb") as file:
        close_file(file.fileno())
    assert mode(path) == 0o640
