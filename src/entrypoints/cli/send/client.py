"""Send one photo to a service and save its picture, over HTTP as camera software does. Needs no server settings."""

from __future__ import annotations

import asyncio
import enum
import itertools
import re
import secrets
import ssl
import time
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TypeVar, cast
from uuid import uuid4

import httpx2
import msgspec

from ....core.domain.errors import ConfigurationError
from ....core.domain.media import MIME_EXTENSIONS
from ....core.services.support.concurrency import race
from .response import Answer, job_id_of, one_line, pause_of, picture_of, printable, problem_of, safe_stem, save_picture

MAX_TRIES = 3
"""How often a photo is sent while the service answers that it is full."""

_CONNECT_SECONDS = 10.0
_CHUNK_BYTES = 256 * 1024
_MAX_ANSWER_BYTES = 256 * 1024 * 1024
_SUFFIX = re.compile(r"\.[0-9A-Za-z]{1,8}\Z")

_T = TypeVar("_T")


class Outcome(enum.StrEnum):
    """The result of a photo. The first two are pictures; FALLBACK was made by the slot's failure answer."""

    PICTURE = "picture"
    FALLBACK = "fallback"
    PROBLEM = "problem"
    NO_ANSWER = "no_answer"
    NOT_SAVED = "not_saved"
    NOT_SENT = "not_sent"


class Photo(msgspec.Struct, frozen=True):
    """A photo to send. `name` is its display name, without control characters; `number` its place in the order."""

    path: Path
    name: str
    number: int


class SendTarget(msgspec.Struct, frozen=True, kw_only=True):
    """Where photos go: the ingest URL of a slot, its password, additional form fields, and the read timeout."""

    address: str
    password: str
    fields: Mapping[str, str]
    timeout_seconds: float

    def __repr__(self) -> str:
        return f"SendTarget(address={self.address!r})"


class SendResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one photo. `milliseconds` is the duration of the last try; `link` the public URL of the picture."""

    photo: str
    outcome: Outcome
    status: int | None = None
    code: str | None = None
    detail: str = ""
    tries: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    milliseconds: int | None = None
    job_id: str | None = None
    link: str | None = None
    file: str | None = None

    @property
    def is_picture(self) -> bool:
        """Whether a picture came back and was saved."""
        return self.outcome in (Outcome.PICTURE, Outcome.FALLBACK)


class ProgressListener(Protocol):
    """Receives the progress of photos."""

    def starts(self, photo: Photo, size_bytes: int) -> None:
        """A try begins."""

    def advances(self, photo: Photo, sent_bytes: int) -> None:
        """The number of bytes sent so far."""

    def pauses(self, photo: Photo, seconds: float, code: str) -> None:
        """The service is full; the next try follows after the pause."""


class SavePicture(Protocol):
    """Writes the picture of a photo to a new file. `extension` is without a dot. Blocks."""

    def __call__(self, photo: Photo, data: bytes, *, extension: str, job_id: str | None) -> Path:
        """Return the file. OSError."""
        ...


def saved_by_job(folder: Path) -> SavePicture:
    """Return what saves pictures in a folder under the photo's name and the job's id."""

    def save(photo: Photo, data: bytes, *, extension: str, job_id: str | None) -> Path:
        name = f"{safe_stem(photo.path)}-{job_id or secrets.token_hex(8)}"
        return save_picture(folder, name, extension, data)

    return save


class _Unreadable(Exception):
    """The photo's file cannot be read."""


class _Interrupted(Exception):
    """The user has asked to stop."""


class _TooLarge(Exception):
    """The answer is larger than any picture."""


def make_client(target: SendTarget, *, at_once: int) -> httpx2.AsyncClient:
    """The HTTP client for a target. Like cameras it opens a connection for each photo. ConfigurationError."""
    return open_client(target.timeout_seconds, name="photochanger-send", at_once=at_once, kept=0)


def open_client(timeout_seconds: float, *, name: str, at_once: int, kept: int) -> httpx2.AsyncClient:
    """An HTTP client of this name that keeps so many connections open; it uses the proxy of the environment.
    ConfigurationError."""
    try:
        return httpx2.AsyncClient(
            timeout=httpx2.Timeout(timeout_seconds, connect=min(_CONNECT_SECONDS, timeout_seconds)),
            limits=httpx2.Limits(max_connections=at_once, max_keepalive_connections=kept),
            headers={"User-Agent": name},
        )
    except OSError as error:
        raise ConfigurationError("SSL_CERT_FILE, SSL_CERT_DIR", f"cannot be used: {_reason(error)}") from error
    except (httpx2.InvalidURL, ValueError, ImportError):
        # The error's own text may hold the password of the proxy.
        raise ConfigurationError(
            "HTTP_PROXY, HTTPS_PROXY, ALL_PROXY", "one of them is not the http or https URL of a proxy; fix or unset it"
        ) from None


async def send_photo(
    http: httpx2.AsyncClient,
    target: SendTarget,
    photo: Photo,
    *,
    save: SavePicture,
    progress: ProgressListener,
    stop: asyncio.Event,
    key: str | None = None,
) -> SendResult:
    """Send a photo, wait for its picture, save it. Failures are part of the result, never raised.

    A service that is full is asked again after its Retry-After, with the same idempotency key, which is `key` or a new
    one. Setting `stop` ends all waiting; a picture that has arrived is still saved.
    """
    key = key or f"send-{uuid4()}"
    for tries in itertools.count(1):
        try:
            file = await asyncio.to_thread(photo.path.open, "rb")
        except OSError as error:
            return _unreadable(photo, _reason(error), tries=tries)
        with file:
            size = file.seek(0, 2)
            progress.starts(photo, size)
            try:
                answer = await _unless(stop, _ask(http, target, _Form(target, photo, file, size, progress), key))
            except _Interrupted:
                failure = ("interrupted", "Interrupted; the service may still make the picture.")
                return _no_answer(photo, *failure, tries=tries, size=size)
            except _Unreadable as error:
                return _unreadable(photo, str(error), tries=tries)
            except _TooLarge:
                failure = ("answer_too_large", f"The answer is larger than {_MAX_ANSWER_BYTES} bytes.")
                return _no_answer(photo, *failure, tries=tries, size=size)
            except httpx2.RequestError as error:
                return _no_answer(photo, *_describe(error, target), tries=tries, size=size)
        if answer.status == HTTPStatus.OK:
            return await _save(answer, photo, save, tries=tries, size=size)
        problem = problem_of(answer)
        pause = pause_of(answer, problem)
        refused = SendResult(
            photo=photo.name,
            outcome=Outcome.PROBLEM,
            status=answer.status,
            code=problem.code,
            detail=problem.detail,
            tries=tries,
            bytes_in=size,
            milliseconds=answer.milliseconds,
            job_id=job_id_of(answer) or problem.job_id,
        )
        if pause is None or tries == MAX_TRIES:
            return refused
        progress.pauses(photo, pause, problem.code)
        try:
            await _unless(stop, asyncio.sleep(pause))
        except _Interrupted:
            return refused
    raise AssertionError("unreachable")


async def _unless(stop: asyncio.Event, work: Coroutine[Any, Any, _T]) -> _T:
    """The result of `work`; it is cancelled if `stop` is set first. _Interrupted."""
    winner, result = await race(work, stop.wait())
    if winner == 1:
        raise _Interrupted
    return cast(_T, result)


class _Form:
    """The camera's multipart form. The password comes first, so that a wrong one costs no upload."""

    def __init__(self, target: SendTarget, photo: Photo, file: BinaryIO, size: int, progress: ProgressListener) -> None:
        boundary = secrets.token_hex(16)
        suffix = photo.path.suffix if _SUFFIX.match(photo.path.suffix) else ""
        parts = [
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in {"password": target.password, **target.fields}.items()
        ]
        parts.append(
            f'--{boundary}\r\nContent-Disposition: form-data; name="fileToUpload"; filename="photo{suffix}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        )
        self._head = "".join(parts).encode()
        self._tail = f"\r\n--{boundary}--\r\n".encode()
        self._photo, self._file, self._size, self._progress = photo, file, size, progress
        self.content_type = f"multipart/form-data; boundary={boundary}"
        self.length = len(self._head) + size + len(self._tail)

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body, streamed from disk. _Unreadable."""
        yield self._head
        await asyncio.to_thread(self._file.seek, 0)
        done = 0
        while done < self._size:
            try:
                chunk = await asyncio.to_thread(self._file.read, min(_CHUNK_BYTES, self._size - done))
            except OSError as error:
                raise _Unreadable(_reason(error)) from error
            if not chunk:
                raise _Unreadable("The file was truncated while it was sent.")
            yield chunk
            done += len(chunk)
            self._progress.advances(self._photo, done)
        yield self._tail


async def _ask(http: httpx2.AsyncClient, target: SendTarget, form: _Form, key: str) -> Answer:
    headers = {"Content-Type": form.content_type, "Content-Length": str(form.length), "Idempotency-Key": key}
    started = time.perf_counter()
    body = bytearray()
    async with http.stream("POST", target.address, content=form.chunks(), headers=headers) as answer:
        async for chunk in answer.aiter_bytes():
            body += chunk
            if len(body) > _MAX_ANSWER_BYTES:
                raise _TooLarge
    milliseconds = round((time.perf_counter() - started) * 1000)
    return Answer(answer.status_code, answer.headers, bytes(body), milliseconds)


def _reason(error: OSError) -> str:
    return error.strerror or type(error).__name__


def _unreadable(photo: Photo, detail: str, *, tries: int) -> SendResult:
    return SendResult(photo=photo.name, outcome=Outcome.NOT_SENT, code="photo_unreadable", detail=detail, tries=tries)


def _no_answer(photo: Photo, code: str, detail: str, *, tries: int, size: int) -> SendResult:
    return SendResult(photo=photo.name, outcome=Outcome.NO_ANSWER, code=code, detail=detail, tries=tries, bytes_in=size)


def _describe(error: httpx2.RequestError, target: SendTarget) -> tuple[str, str]:
    """A code and one line for a failed request."""
    causes = list(_causes(error))
    if isinstance(error, httpx2.ConnectTimeout):
        return "unreachable", "The connection timed out."
    if isinstance(error, httpx2.TimeoutException):
        return "timed_out", f"No answer within {target.timeout_seconds:g} s."
    if (tls := next((cause for cause in causes if isinstance(cause, ssl.SSLError)), None)) is not None:
        return "tls_failed", one_line(getattr(tls, "verify_message", "") or tls.reason or str(tls))
    if isinstance(error, httpx2.ConnectError | httpx2.ProxyError):
        system = next((cause for cause in causes if isinstance(cause, OSError) and cause.strerror), None)
        return "unreachable", one_line(str(error) if system is None else system.strerror or str(system))
    return "connection_lost", one_line(str(error) or type(error).__name__)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and all its causes, those in groups included."""
    while error is not None:
        yield error
        if isinstance(error, BaseExceptionGroup):
            for one in error.exceptions:
                yield from _causes(one)
        error = error.__cause__ or error.__context__


async def _save(answer: Answer, photo: Photo, save: SavePicture, *, tries: int, size: int) -> SendResult:
    """Save the picture of a successful answer."""
    fallback = answer.headers.get("x-photochanger-outcome") == "fallback"
    sent = SendResult(
        photo=photo.name,
        outcome=Outcome.FALLBACK if fallback else Outcome.PICTURE,
        status=answer.status,
        tries=tries,
        bytes_in=size,
        milliseconds=answer.milliseconds,
        job_id=job_id_of(answer),
        link=printable(answer.headers.get("link", "").partition(";")[0].strip("<> ")) or None,
    )
    mime, picture = picture_of(answer)
    if mime not in MIME_EXTENSIONS or not picture:
        detail = f"The answer is {one_line(mime or 'empty')}, not a picture. Check --url."
        return msgspec.structs.replace(sent, outcome=Outcome.PROBLEM, code="not_a_picture", detail=detail)
    sent = msgspec.structs.replace(sent, bytes_out=len(picture))
    try:
        path = await asyncio.to_thread(save, photo, picture, extension=MIME_EXTENSIONS[mime], job_id=sent.job_id)
    except OSError as error:
        detail = f"The picture arrived but cannot be saved: {_reason(error)}."
        return msgspec.structs.replace(sent, outcome=Outcome.NOT_SAVED, code="not_saved", detail=detail)
    return msgspec.structs.replace(sent, file=printable(str(path)))
