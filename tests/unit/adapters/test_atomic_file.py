"""Files appear complete or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from photochanger.adapters.atomic_file import atomic_file


def test_the_file_appears_at_the_end_of_the_block(tmp_path: Path) -> None:
    target = tmp_path / "a"
    with atomic_file(target, replace=False) as file:
        file.write(b"content")
        assert not target.exists()
    assert target.read_bytes() == b"content"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize("replace", [False, True])
def test_an_error_in_the_block_leaves_nothing(tmp_path: Path, replace: bool) -> None:
    def write_half() -> None:
        with atomic_file(tmp_path / "a", replace=replace) as file:
            file.write(b"half")
            raise ValueError

    with pytest.raises(ValueError):
        write_half()
    assert os.listdir(tmp_path) == []


def test_an_existing_file_is_replaced_only_on_request(tmp_path: Path) -> None:
    target = tmp_path / "a"
    target.write_bytes(b"old")
    with pytest.raises(FileExistsError), atomic_file(target, replace=False) as file:
        file.write(b"new")
    assert target.read_bytes() == b"old"
    with atomic_file(target, replace=True) as file:
        file.write(b"new")
    assert target.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["a"]


def test_the_umask_applies_to_a_wider_mode(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with atomic_file(tmp_path / "a", replace=True, mode=0o666) as file:
            file.write(b"content")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640
