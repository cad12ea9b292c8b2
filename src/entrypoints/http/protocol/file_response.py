"""Stored files as responses: whole or in part, with ETag, streamed from the store."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any

from litestar import Request
from litestar.response.base import ASGIResponse
from litestar.types import Receive, Scope, Send

from ....core.domain.media import StoredFile
from ....core.domain.results.files import PublicFile
from ....core.ports.media_store import MediaStore
from ..extensions import ClientConnection, connection_of
from .disconnect import cut
from .etag import matches

MAX_CACHED = timedelta(minutes=1)
"""How long a client may show a file without asking again: as long it may show a picture whose guest was erased."""

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})\Z")


class StreamedResponse(ASGIResponse):
    """A response of known length whose body is a stream; the first chunk is read before anything is sent."""

    _should_set_content_length = False

    def __init__(
        self, stream: AsyncIterator[bytes], first: bytes, *, length: int, last: bytes = b"", **options: object
    ) -> None:
        super().__init__(content_length=length, **options)  # type: ignore[arg-type]
        self.headers["content-length"] = str(length)
        self._stream = stream
        self._first = first
        self._last = last
        self._connection: ClientConnection | None = None
        self._has_ended = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._connection = connection_of(scope)
        try:
            await super().__call__(scope, receive, send)
            if self.is_cut:
                await cut(scope, receive)
        finally:
            if isinstance(self._stream, AsyncGenerator):
                await self._stream.aclose()  # its descriptor, also after a response that was cut

    @property
    def is_cut(self) -> bool:
        """The connection was closed before the response ended. After that the server itself may close it."""
        return not self._has_ended and self._connection is not None and self._connection.is_closing

    async def send_body(self, send: Send, receive: Receive) -> None:
        await send({"type": "http.response.body", "body": self._first, "more_body": True})
        async for chunk in self._stream:
            if self.is_cut:
                return  # the rest would be read for nothing
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        was_cut = self.is_cut
        await send({"type": "http.response.body", "body": self._last, "more_body": False})
        self._has_ended = not was_cut


async def begin(stream: AsyncIterator[bytes]) -> bytes:
    """The first chunk: a missing file must be noticed while another response is still possible."""
    return await anext(stream, b"")


async def serve_file(
    request: Request[Any, Any, Any], store: MediaStore, file: PublicFile, *, now: datetime
) -> ASGIResponse:
    """`serve_stored` for a public file, cacheable until its link expires, but not longer than MAX_CACHED."""
    fresh = min(max(file.expires_at - now, timedelta(0)), MAX_CACHED)
    caching = {
        "Cache-Control": f"private, max-age={int(fresh.total_seconds())}",
        "Expires": format_datetime(now + fresh, usegmt=True),
    }
    return await serve_stored(
        request, store, file.file, mime=file.mime, download_name=file.download_name, headers=caching
    )


def etag_of(file: StoredFile) -> str:
    """The ETag of a stored file."""
    return f'"{file.sha256}"'


def disposition(request: Request[Any, Any, Any], download_name: str) -> str:
    """The Content-Disposition of a file: to be saved where the request asks for a download."""
    kind = "attachment" if request.query_params.get("download") == "1" else "inline"
    return f'{kind}; filename="{download_name}"'


async def serve_stored(
    request: Request[Any, Any, Any],
    store: MediaStore,
    file: StoredFile,
    *,
    mime: str,
    download_name: str,
    headers: dict[str, str],
) -> ASGIResponse:
    """A stored file for GET and HEAD: 200, 206, 304 or 416 (RFC 9110). MediaNotFound if the store has lost it."""
    etag = etag_of(file)
    headers = {
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Content-Disposition": disposition(request, download_name),
        **headers,
    }
    if matches(request.headers.get("if-none-match"), etag):
        return ASGIResponse(status_code=304, headers=headers, media_type=mime)
    size = file.size_bytes
    start, end, status = 0, size, 200
    wanted = request.headers.get("range") if request.method == "GET" else None
    if wanted is not None and request.headers.get("if-range", etag) == etag:
        part = _part(wanted, size)
        if part == _UNSATISFIABLE:
            del headers["Content-Disposition"]
            headers |= {"Content-Range": f"bytes */{size}", "Cache-Control": "no-store"}
            return ASGIResponse(status_code=416, headers=headers, media_type=mime)
        if part is not None:
            start, end, status = *part, 206
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    if request.method == "HEAD":
        await store.size(file.key)
        headers |= {"Content-Length": str(size), "Content-Type": mime}
        return ASGIResponse(status_code=200, headers=headers, media_type=mime, is_head_response=True)
    stream = store.open(file.key, start=start, end=end)
    first = await begin(stream)
    return StreamedResponse(stream, first, length=end - start, status_code=status, headers=headers, media_type=mime)


_UNSATISFIABLE = (0, 0)


def _part(wanted: str, size: int) -> tuple[int, int] | None:
    """The requested range, end exclusive; None if the header is not a single range, which is ignored."""
    match = _RANGE.match(wanted.strip())
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if not first:
        start, end = max(size - int(last), 0), size
    else:
        start, end = int(first), min(int(last) + 1 if last else size, size)
        if last and int(last) < int(first):
            return None
    return (start, end) if start < end else _UNSATISFIABLE
