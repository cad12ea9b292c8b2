"""What the client makes of an answer: the picture in it, its file, the problem, and the pause before the next try."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
from photochanger.entrypoints.cli.send.response import Answer, pause_of, picture_of, problem_of, safe_stem, save_picture

PICTURE = bytes(range(256)) + b"\r\n\r\r\n\n--edge\n" + bytes(range(255, -1, -1))


def answer(status: int = 200, body: bytes = b"", **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, httpx2.Headers(named), body, 1)


def pause(status: int, body: bytes = b"", **headers: str) -> float | None:
    said = answer(status, body, Content_Type="application/problem+json", **headers)
    return pause_of(said, problem_of(said))


def test_a_picture_among_parts_comes_out_byte_for_byte() -> None:
    parts = b"--line\r\nContent-Type: application/json\r\n\r\n{}\r\n--line\r\nContent-Type: image/png\r\n\r\n"
    body = parts + PICTURE + b"\r\n--line--\r\n"
    assert picture_of(answer(body=body, Content_Type="multipart/mixed; boundary=line")) == ("image/png", PICTURE)


@pytest.mark.parametrize("content_type", ["multipart/mixed", "multipart/mixed; boundary=other", "multipart/mixed; ="])
def test_parts_without_a_picture_are_none(content_type: str) -> None:
    assert picture_of(answer(body=b"--line\r\n\r\n\r\n", Content_Type=content_type)) == ("", b"")


def test_a_file_that_is_there_is_never_replaced(tmp_path: Path) -> None:
    saved = [save_picture(tmp_path, "a", "jpg", bytes([number])) for number in range(3)]
    assert [path.name for path in saved] == ["a.jpg", "a-2.jpg", "a-3.jpg"]
    assert [path.read_bytes() for path in saved] == [b"\0", b"\1", b"\2"]


def test_a_picture_that_cannot_be_written_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, mode: str) -> Any:
        path.touch()
        return open("/dev/full", "wb")

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(OSError, match="No space left"):
        save_picture(tmp_path, "a", "jpg", b"picture")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("IMG_1.JPG", "IMG_1"),
        ("../..\\x.jpg", "___x"),
        ("\udcff\n.jpg", "__"),
        (".jpg", "_jpg"),
        ("Ünï 1.jpg", "Ünï_1"),
    ],
)
def test_names_of_files_are_made_safe(name: str, stem: str) -> None:
    assert safe_stem(Path(name)) == stem


def test_a_long_name_is_cut_between_letters() -> None:
    assert safe_stem(Path("ü" * 200 + ".jpg")) == "ü" * 50


@pytest.mark.parametrize("status", [429, 503])
def test_a_refusal_for_now_is_tried_again_after_its_pause(status: int) -> None:
    assert pause(status, Retry_After="7") == 7
    assert pause(status, b'{"retry_after": 9}') == 9
    assert pause(status) == 2
    assert pause(status, Retry_After="soon") == 2


def test_a_pause_may_be_a_moment() -> None:
    past = datetime.now(UTC) - timedelta(minutes=5)
    assert pause(503, Retry_After=format_datetime(past, usegmt=True)) == 0
    assert pause(503, Retry_After=format_datetime(past + timedelta(days=1), usegmt=True)) is None


@pytest.mark.parametrize("status", [400, 401, 404, 408, 413, 500, 502, 504])
def test_other_errors_are_not_tried_again(status: int) -> None:
    assert pause(status, b'{"retry_after": 1}', Retry_After="1") is None


def test_texts_of_a_problem_become_one_line_without_control_characters() -> None:
    said = answer(
        400, b'{"code": "x\\u001b[31m", "detail": "a\\nb", "job_id": "../x"}', Content_Type="application/problem+json"
    )
    problem = problem_of(said)
    assert (problem.code, problem.detail, problem.job_id) == ("x?[31m", "a b", None)
