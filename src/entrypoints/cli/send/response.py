"""The answer to a photo: its picture, or its problem and the pause before the next try."""

from __future__ import annotations

import itertools
import math
import re
from email import message_from_bytes
from http import HTTPStatus
from pathlib import Path

import httpx2
import msgspec

from ....adapters.http_client.retry_after import retry_after
from ....core.domain.media import MIME_EXTENSIONS

_TRY_LATER = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
_DEFAULT_PAUSE = 2.0
_MAX_PAUSE = 60.0
"""Seconds, the longest sync window: by then a full queue has room. A longer Retry-After means no further try."""

_MAX_STEM_BYTES = 100
_MAX_LINE_CHARS = 300
_JOB_ID = re.compile(r"[0-9A-Za-z-]{1,64}\Z")


class Answer(msgspec.Struct, frozen=True):
    """A complete answer."""

    status: int
    headers: httpx2.Headers
    body: bytes
    milliseconds: int


class Problem(msgspec.Struct, frozen=True):
    """Why an answer is not a picture; each text is one printable line."""

    code: str
    detail: str
    job_id: str | None
    retry_after: float | None


class _ProblemBody(msgspec.Struct, frozen=True):
    code: str | None = None
    detail: str | None = None
    job_id: str | None = None
    retry_after: float | None = None


def picture_of(answer: Answer) -> tuple[str, bytes]:
    """Type and bytes of the picture, also in a `multipart/mixed` answer; an empty type if there is none."""
    content_type = answer.headers.get("content-type", "")
    mime = content_type.partition(";")[0].strip().lower()
    if mime != "multipart/mixed":
        return mime, answer.body
    message = message_from_bytes(f"Content-Type: {content_type}\r\n\r\n".encode("latin-1", "replace") + answer.body)
    for part in message.walk():
        if part.get_content_type() in MIME_EXTENSIONS:
            picture = part.get_payload(decode=True)
            return part.get_content_type(), picture if isinstance(picture, bytes) else b""
    return "", b""


def save_picture(folder: Path, name: str, extension: str, data: bytes) -> Path:
    """Write a new file, numbered if the name is taken. OSError, without leaving a partial file."""
    for number in itertools.count(1):
        path = folder / f"{name}{'' if number == 1 else f'-{number}'}.{extension}"
        try:
            file = path.open("xb")
        except FileExistsError:
            continue
        try:
            with file:
                file.write(data)
        except OSError:
            path.unlink(missing_ok=True)
            raise
        return path
    raise AssertionError("unreachable")


def safe_stem(path: Path) -> str:
    """The photo's name as a part of a file name on any system: letters, digits, dashes and underscores."""
    stem = "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in path.stem)
    return stem.encode()[:_MAX_STEM_BYTES].decode(errors="ignore") or "photo"


def problem_of(answer: Answer) -> Problem:
    """The problem (RFC 9457) of an error answer, or the meaning of its status for other bodies, such as a proxy's."""
    body = _ProblemBody()
    if answer.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/problem+json":
        try:
            body = msgspec.json.decode(answer.body, type=_ProblemBody)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            body = _ProblemBody()
    return Problem(
        code=one_line(body.code or f"http_{answer.status}"),
        detail=one_line(body.detail or _of_status(answer)),
        job_id=body.job_id if body.job_id and _JOB_ID.match(body.job_id) else None,
        retry_after=body.retry_after,
    )


def _of_status(answer: Answer) -> str:
    if 300 <= answer.status < 400 and "location" in answer.headers:
        return f"The service has moved to {answer.headers['location']}"
    try:
        return f"{HTTPStatus(answer.status).phrase}."
    except ValueError:
        return "Unknown HTTP status."


def pause_of(answer: Answer, problem: Problem) -> float | None:
    """Seconds to wait before the next try; None if there should be none."""
    if answer.status not in _TRY_LATER:
        return None
    after = retry_after(answer.headers)
    pause = after.total_seconds() if after is not None else problem.retry_after
    if pause is None or not math.isfinite(pause):
        return _DEFAULT_PAUSE
    return max(pause, 0.0) if pause <= _MAX_PAUSE else None


def job_id_of(answer: Answer) -> str | None:
    """The job that the answer names."""
    given = answer.headers.get("x-job-id", "")
    return given if _JOB_ID.match(given) else None


def one_line(text: str) -> str:
    """A text from outside as one printable line of limited length."""
    return printable(" ".join(text.split())[:_MAX_LINE_CHARS])


def printable(text: str) -> str:
    """A text from outside with its control characters replaced."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
