"""The page for administrators and guests: static files of this package, which talk to the public API like anybody.

All files have one address prefix that holds a digest of them all, so modules import each other by relative paths, a
browser keeps them for good, and an upgrade changes every address at once. No build step makes them.
"""

from __future__ import annotations

import gzip
import hashlib
import html
import mimetypes
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from litestar import Request, get
from litestar.response.base import ASGIResponse
from litestar.types import ASGIApp

from ....core.domain.errors import MediaNotFound, SlotNotFound
from ..auth.access import PublicAccess
from ..dependencies import HttpServices

_FOLDER = Path(__file__).with_name("static")
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_FOR_GOOD = "public, max-age=31536000, immutable"
_WORTH_COMPRESSING = ("text/", "application/javascript", "application/json", "image/svg+xml")
_UNSERVED = {".html", ".md", ".txt"}


class _File(NamedTuple):
    data: bytes
    mime: str
    etag: str
    gzipped: bytes | None


@get("/", opt={"access": PublicAccess.PUBLIC})
async def page(request: Request[Any, Any, Any]) -> ASGIApp:
    """The page of administrators. It asks for a name and a password itself."""
    return _document(request, "index.html")


@get("/gallery/{slot_id:str}", opt={"access": PublicAccess.PUBLIC})
async def gallery_page(request: Request[Any, Any, Any]) -> ASGIApp:
    """The page of guests, where the slot's gallery is open; else the same page says so, with 404."""
    services: HttpServices = request.app.state.services
    try:
        slot = await services.slots.get(request.path_params["slot_id"])
    except SlotNotFound:
        return _document(request, "gallery.html", status=404)
    is_open = slot.gallery_open_until is not None and slot.gallery_open_until > services.clock.now()
    return _document(request, "gallery.html", status=200 if is_open else 404)


@get("/ui/{version:str}/{path:path}", opt={"access": PublicAccess.PUBLIC})
async def page_file(request: Request[Any, Any, Any]) -> ASGIApp:
    """A script, style or picture of the page. Those of another version are not found: the page loads itself anew."""
    file = _files().get(str(request.path_params["path"]).lstrip("/"))
    if file is None or request.path_params["version"] != page_version():
        raise MediaNotFound("There is no such file in this version of the page.")
    headers = {"ETag": file.etag, "Cache-Control": _FOR_GOOD, "Vary": "Accept-Encoding"}
    if request.headers.get("if-none-match") == file.etag:
        return ASGIResponse(status_code=304, headers=headers, media_type=file.mime)
    if file.gzipped is not None and "gzip" in request.headers.get("accept-encoding", ""):
        return ASGIResponse(body=file.gzipped, headers=headers | {"Content-Encoding": "gzip"}, media_type=file.mime)
    return ASGIResponse(body=file.data, headers=headers, media_type=file.mime)


@cache
def page_version() -> str:
    """The digest of all files of the page, which is in their addresses."""
    digest = hashlib.sha256()
    for path, file in sorted(_files().items()):
        digest.update(f"{path}\0{file.etag}\0".encode())
    return digest.hexdigest()[:16]


@cache
def _files() -> dict[str, _File]:
    found = (path for path in sorted(_FOLDER.rglob("*")) if path.is_file() and path.suffix not in _UNSERVED)
    return {path.relative_to(_FOLDER).as_posix(): _read(path) for path in found}


def _read(path: Path) -> _File:
    data = path.read_bytes()
    mime = (
        "text/javascript" if path.suffix == ".js" else mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    )
    gzipped = gzip.compress(data, 9, mtime=0) if mime.startswith(_WORTH_COMPRESSING) else None
    return _File(data, mime, f'"{hashlib.sha256(data).hexdigest()[:32]}"', gzipped)


def _document(request: Request[Any, Any, Any], name: str, *, status: int = 200) -> ASGIResponse:
    root = request.scope.get("root_path", "").rstrip("/")
    values = {"{{root}}": html.escape(root), "{{files}}": html.escape(f"{root}/ui/{page_version()}")}
    text = _text(name)
    for key, value in values.items():
        text = text.replace(key, value)
    headers = {"Cache-Control": "no-cache", "Content-Security-Policy": _POLICY}
    return ASGIResponse(body=text.encode(), status_code=status, headers=headers, media_type="text/html")


@cache
def _text(name: str) -> str:
    return (_FOLDER / name).read_text("utf-8")
