"""Files of this package as responses: read once, with an ETag of their content, compressed where that helps."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import mimetypes
from pathlib import Path
from typing import Any, NamedTuple

from litestar import Request
from litestar.response.base import ASGIResponse

from .etag import matches

_COMPRESSIBLE = ("text/", "application/javascript", "application/json", "application/yaml", "image/svg+xml")


class StaticFile(NamedTuple):
    """A file in memory. `gzipped` is None if compression does not help."""

    data: bytes
    media_type: str
    etag: str
    gzipped: bytes | None


_loaded: dict[Path, StaticFile] = {}


async def load_static(path: Path, *, media_type: str | None = None) -> StaticFile:
    """The file, which is read in a thread at the first request and kept."""
    if path not in _loaded:
        _loaded[path] = await asyncio.to_thread(read_static, path, media_type=media_type)
    return _loaded[path]


def read_static(path: Path, *, media_type: str | None = None) -> StaticFile:
    """Read and compress a file. Blocks for up to 200 ms."""
    return static_file(path.name, path.read_bytes(), media_type=media_type)


def static_file(name: str, data: bytes, *, media_type: str | None = None) -> StaticFile:
    """Compress this content; the type is guessed from the end of the name. Blocks for up to 200 ms."""
    kind = media_type or ("text/javascript" if name.endswith(".js") else mimetypes.guess_type(name)[0])
    kind = kind or "application/octet-stream"
    gzipped = gzip.compress(data, 9, mtime=0) if kind.startswith(_COMPRESSIBLE) else None
    return StaticFile(data, kind, f'"{hashlib.sha256(data).hexdigest()[:32]}"', gzipped)


def static_response(request: Request[Any, Any, Any], file: StaticFile, headers: dict[str, str]) -> ASGIResponse:
    """The file, or 304 if the client has it."""
    sent = {"ETag": file.etag, "Vary": "Accept-Encoding", **headers}
    if matches(request.headers.get("if-none-match"), file.etag):
        return ASGIResponse(status_code=304, headers=sent, media_type=file.media_type)
    if file.gzipped is not None and "gzip" in request.headers.get("accept-encoding", ""):
        sent["Content-Encoding"] = "gzip"
        return ASGIResponse(body=file.gzipped, headers=sent, media_type=file.media_type)
    return ASGIResponse(body=file.data, headers=sent, media_type=file.media_type)
