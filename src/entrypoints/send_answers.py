"""What an answer to a photo means: the picture in it and where to keep it, or the problem and when to try again."""

from __future__ import annotations

import itertools
import math
import re
from datetime import UTC, datetime
from email import message_from_bytes
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path

import httpx2
import msgspec

from ..core.domain.media import MIME_EXTENSIONS

_NOT_NOW = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
_USUAL_PAUSE = 2.0
_MAX_PAUSE = 60.0
"""Seconds, as long as the longest window: by then a full queue has room. Who asks for more is not asked again."""

_MAX_STEM_BYTES = 100
_MAX_LINE_CHARS = 300
_JOB_ID = re.compile(r"[0-9A-Za-z-]{1,64}\Z")


class Answer(msgspec.Struct, frozen=True):
    """An answer that came whole."""

    status: int
    headers: httpx2.Headers
    body: bytes
    milliseconds: int


class Problem(msgspec.Struct, frozen=True):
    """Why an answer is no picture, each text as one line that may be shown."""

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
    """Type and bytes of the picture, also out of a `multipart/mixed` answer; an empty type where there is none."""
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
    """A new file; one that is there already is left alone. OSError, which leaves nothing half-written behind."""
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
    raise AssertionError("numbers do not end")


def safe_stem(path: Path) -> str:
    """The photo's name as part of a file name anywhere: letters, digits, dashes and underscores, not too many."""
    stem = "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in path.stem)
    return stem.encode()[:_MAX_STEM_BYTES].decode(errors="ignore") or "photo"


def problem_of(answer: Answer) -> Problem:
    """What an error answer says (RFC 9457); of one that is no problem, as a proxy sends it, what its status means."""
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
        return f"The service is at another address: {answer.headers['location']}"
    try:
        return f"{HTTPStatus(answer.status).phrase}."
    except ValueError:
        return "The answer has a status without a meaning."


def pause_of(answer: Answer, problem: Problem) -> float | None:
    """Seconds until another try is worth it; None where it is not."""
    if answer.status not in _NOT_NOW:
        return None
    named = _seconds(answer.headers.get("retry-after"))
    pause = named if named is not None else problem.retry_after
    if pause is None or not math.isfinite(pause):
        return _USUAL_PAUSE
    return max(pause, 0.0) if pause <= _MAX_PAUSE else None


def _seconds(retry_after: str | None) -> float | None:
    """A `Retry-After` header in seconds; a moment counts from now. None where it cannot be understood."""
    if retry_after is None:
        return None
    if retry_after.strip().isdecimal():
        return float(retry_after)
    try:
        moment = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    return (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds()


def job_id_of(answer: Answer) -> str | None:
    """The job that the answer is about, where it says so."""
    given = answer.headers.get("x-job-id", "")
    return given if _JOB_ID.match(given) else None


def one_line(text: str) -> str:
    """A text from outside as one line that is not too long."""
    return printable(" ".join(text.split())[:_MAX_LINE_CHARS])


def printable(text: str) -> str:
    """A text from outside as it may be shown: without control characters and what no terminal can write."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
