"""The contract as it stands (`/openapi.yaml`), as JSON, and as pages to browse (`/docs`), from inside the package."""

from __future__ import annotations

import hashlib
import mimetypes
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import yaml
from litestar import Request, get
from litestar.response.base import ASGIResponse
from litestar.types import ASGIApp

from ....core.domain.errors import MediaNotFound
from ..auth.access import PublicAccess
from .contract_file import contract_path

_UI = Path(__file__).with_name("docs")
_ASSETS = frozenset({"docs.js", "docs.css", "swagger-ui-bundle.js", "swagger-ui.css"})
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@get("/openapi.yaml", opt={"access": PublicAccess.PUBLIC})
async def openapi_yaml(request: Request[Any, Any, Any]) -> ASGIApp:
    """The file itself."""
    return _answer(request, _contract()[0], "application/yaml")


@get("/openapi.json", opt={"access": PublicAccess.PUBLIC})
async def openapi_json(request: Request[Any, Any, Any]) -> ASGIApp:
    """The same as JSON."""
    return _answer(request, _contract()[1], "application/json")


@get("/docs", opt={"access": PublicAccess.PUBLIC})
async def docs(request: Request[Any, Any, Any]) -> ASGIApp:
    """The page."""
    return _answer(request, _asset("docs.html"), "text/html")


@get("/docs/{asset:str}", opt={"access": PublicAccess.PUBLIC})
async def docs_asset(request: Request[Any, Any, Any]) -> ASGIApp:
    """A script or style of the page."""
    asset: str = request.path_params["asset"]
    if asset not in _ASSETS:
        raise MediaNotFound("There is no such file.")
    return _answer(request, _asset(asset), mimetypes.guess_type(asset)[0] or "application/octet-stream")


@cache
def _contract() -> tuple[bytes, bytes]:
    text = contract_path().read_bytes()
    return text, msgspec.json.encode(yaml.safe_load(text), enc_hook=_plain)


def _plain(value: object) -> str:
    if isinstance(value, date | datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no place in the contract")


@cache
def _asset(name: str) -> bytes:
    return (_UI / name).read_bytes()


def _answer(request: Request[Any, Any, Any], data: bytes, mime: str) -> ASGIResponse:
    etag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": "no-cache", "Content-Security-Policy": _POLICY}
    if request.headers.get("if-none-match") == etag:
        return ASGIResponse(status_code=304, headers=headers, media_type=mime)
    return ASGIResponse(body=data, media_type=mime, headers=headers)
