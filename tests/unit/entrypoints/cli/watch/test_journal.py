"""The journal of a watched folder, also after a crash."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from photochanger.core.domain.errors import ConfigurationError
from photochanger.entrypoints.cli.watch import journal as journals
from photochanger.entrypoints.cli.watch.journal import Journal, PhotoRecord, PhotoState

AT = datetime(2026, 11, 28, 20, 15, tzinfo=UTC)


def record(number: int, state: PhotoState = PhotoState.DONE, *, output: str | None = None) -> PhotoRecord:
    return PhotoRecord(sha256=f"{number:064x}", name=f"{number}.jpg", state=state, at=AT, output=output)


def test_the_latest_record_of_a_photo_is_kept_over_a_restart(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    journal.record(record(1, PhotoState.SAVING))
    journal.record(record(1, PhotoState.DONE, output="1.jpg"))
    journal.record(record(2, PhotoState.FAILED))
    again = Journal(tmp_path / "j")
    assert again.get(record(1).sha256) == record(1, PhotoState.DONE, output="1.jpg")
    assert again.get(record(2).sha256) == record(2, PhotoState.FAILED)
    assert again.get(record(3).sha256) is None
    assert len((tmp_path / "j").read_bytes().splitlines()) == 2


@pytest.mark.parametrize("kept", range(0, 100, 7))
def test_a_line_that_a_crash_cut_short_costs_only_itself(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "j"
    journal = Journal(path)
    journal.record(record(1))
    before = path.read_bytes()
    journal.record(record(2))
    path.write_bytes(path.read_bytes()[: len(before) + kept])
    again = Journal(path)
    assert again.get(record(1).sha256) == record(1)
    assert again.get(record(2).sha256) is None
    again.record(record(3))
    assert Journal(path).get(record(3).sha256) == record(3)


@pytest.mark.parametrize("line", [b"\xff\xfe\n", b"null\n", b"{}\n", b"x" * 100_000 + b"\n", b'{"sha256": 1}\n'])
def test_lines_of_something_else_are_left_out(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "j"
    Journal(path).record(record(1))
    path.write_bytes(line + path.read_bytes())
    assert Journal(path).get(record(1).sha256) == record(1)


def test_only_the_newest_photos_are_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journals, "MAX_PHOTOS", 3)
    journal = Journal(tmp_path / "j")
    for number in (1, 2, 3, 1, 4):
        journal.record(record(number))
    again = Journal(tmp_path / "j")
    assert [number for number in range(1, 5) if again.get(record(number).sha256)] == [1, 3, 4]


def test_a_journal_that_cannot_be_written_is_an_error_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "j").mkdir()
    with pytest.raises(ConfigurationError, match="cannot be read and written"):
        Journal(tmp_path / "j")
