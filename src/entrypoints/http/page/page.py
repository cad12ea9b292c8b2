"""The page for administrators and guests: static files of this package that use the public API.

All files have one address prefix that holds a digest of them all: a browser caches them for good, and an upgrade
changes every address. Scripts and style sheets are joined when the service starts (ADR 75); there is no build step.
"""

from __future__ import annotations

import hashlib
import html
from functools import cache
from pathlib import Path
from typing import Any

from dishka.integrations.litestar import FromDishka, inject
from litestar import Request, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response.base import ASGIResponse, Response
from litestar.types import ASGIApp

from ....core.domain.errors import MediaNotFound, SlotNotFound
from ....core.ports.clock import Clock
from ....core.services.slots.service import SlotService
from ..auth.access import PublicAccess
from ..protocol.problems import handle_http_error
from ..protocol.static_files import StaticFile, read_static, static_file, static_response
from .bundles import bundled

_FOLDER = Path(__file__).with_name("static")
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
STYLE_SHEETS = {
    "style/page.css": (
        *("base", "parts", "shell", "slots", "slot", "route", "pictures", "connect", "jobs", "job", "statistics"),
        *("settings", "results", "sign", "print", "try_it", "system"),
    ),
    "style/guests.css": ("base", "parts", "gallery"),
}
"""Style sheets that a document loads as one file: each file costs a request before the first view."""

_SCRIPTS = {"main.js": ("pages/slots.js",), "gallery.js": ()}
"""The script of each document, with the modules of the first view that it loads by `import()`."""

_FILE_HEADERS = {"Cache-Control": "public, max-age=31536000, immutable"}
_NOT_SERVED = {".html", ".md", ".txt"}
_JOINED = {".js": _FOLDER, ".css": _FOLDER / "style"}
"""Files of these folders are served only as a part of another."""


@get("/", opt={"access": PublicAccess.PUBLIC})
async def page(request: Request[Any, Any, Any]) -> ASGIApp:
    """The administrators' page, which has its own sign-in form."""
    return _document(request, "index.html")


@get("/gallery/{slot_id:str}", opt={"access": PublicAccess.PUBLIC})
@inject
async def gallery_page(
    request: Request[Any, Any, Any], slot_id: FromPath[str], slots: FromDishka[SlotService], clock: FromDishka[Clock]
) -> ASGIApp:
    """The guests' page; status 404 if the slot's gallery is closed."""
    try:
        is_open = (await slots.get(slot_id)).gallery_is_open(clock.now())
    except SlotNotFound:
        is_open = False
    return _document(request, "gallery.html", status=200 if is_open else 404)


@get("/ui/{version:str}/{path:path}", opt={"access": PublicAccess.PUBLIC})
async def page_file(request: Request[Any, Any, Any], version: FromPath[str], path: FromPath[Path]) -> ASGIApp:
    """A script, style or picture of the page. Files of another version are not found: the page then reloads itself."""
    file = page_files().get(path.as_posix().lstrip("/"))
    if file is None or version != page_version():
        raise MediaNotFound("Not found in this version of the page.")
    return static_response(request, file, _FILE_HEADERS)


def page_not_found(request: Request[Any, Any, Any], error: NotFoundException) -> Response[Any]:
    """An address that no route has: a page for browsers, a problem for all others."""
    asks_for_page = request.method in ("GET", "HEAD") and "text/html" in request.headers.get("accept", "")
    return _Document("not_found.html", 404) if asks_for_page else handle_http_error(request, error)


class _Document(Response[str]):
    """A document for Litestar's exception handlers, which return a Response."""

    def __init__(self, name: str, status: int) -> None:
        super().__init__(name, status_code=status, media_type="text/html")
        self._status = status

    def to_asgi_response(self, app: Any, request: Request[Any, Any, Any], **kwargs: Any) -> ASGIResponse:
        return _document(request, self.content, status=self._status)


@cache
def page_version() -> str:
    """The digest of all files of the page, which is part of their addresses."""
    digest = hashlib.sha256()
    for path, file in sorted(page_files().items()):
        digest.update(f"{path}\0{file.etag}\0".encode())
    return digest.hexdigest()[:16]


@cache
def page_files() -> dict[str, StaticFile]:
    """The files by relative path. The first call blocks while it compresses them; call it in a thread."""
    found = [path for path in sorted(_FOLDER.rglob("*")) if path.is_file() and path.suffix not in _NOT_SERVED]
    joined = {path for path in found if (folder := _JOINED.get(path.suffix)) and path.is_relative_to(folder)}
    files = {path.relative_to(_FOLDER).as_posix(): read_static(path) for path in found if path not in joined}
    for name, parts in STYLE_SHEETS.items():
        files[name] = static_file(name, b"".join((_FOLDER / f"style/{part}.css").read_bytes() for part in parts))
    scripts = {path.relative_to(_FOLDER).as_posix(): path for path in found if path.suffix == ".js"}
    sources = {name: path.read_text("utf-8") for name, path in scripts.items()}
    for entry, first in _SCRIPTS.items():
        files |= {name: static_file(name, text.encode()) for name, text in bundled(sources, entry, first).items()}
    return files


def _document(request: Request[Any, Any, Any], name: str, *, status: int = 200) -> ASGIResponse:
    root = request.scope.get("root_path", "").rstrip("/")
    files = html.escape(f"{root}/ui/{page_version()}")
    values = {"{{root}}": html.escape(root), "{{files}}": files}
    text = _text(name)
    for key, value in values.items():
        text = text.replace(key, value)
    headers = {"Cache-Control": "no-cache", "Content-Security-Policy": _POLICY}
    return ASGIResponse(body=text.encode(), status_code=status, headers=headers, media_type="text/html")


@cache
def _text(name: str) -> str:
    return (_FOLDER / name).read_text("utf-8")
