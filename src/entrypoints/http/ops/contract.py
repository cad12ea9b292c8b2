"""The OpenAPI contract as YAML and JSON, and `/docs`, the page that shows it. All of it comes from this package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from litestar import Request, get
from litestar.params import FromPath
from litestar.response.base import ASGIResponse
from litestar.types import ASGIApp

from ....core.domain.errors import MediaNotFound
from ..auth.access import PublicAccess
from ..protocol.static_files import load_static, static_response
from .contract_file import contract_json_path, contract_path

_DOCS = Path(__file__).with_name("docs")
_ASSETS = frozenset({"docs.js", "docs.css", "swagger-ui-bundle.js", "swagger-ui.css"})
_HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
}


@get("/openapi.yaml", opt={"access": PublicAccess.PUBLIC})
async def openapi_yaml(request: Request[Any, Any, Any]) -> ASGIApp:
    """The contract as written."""
    return await _response(request, contract_path(), media_type="application/yaml")


@get("/openapi.json", opt={"access": PublicAccess.PUBLIC})
async def openapi_json(request: Request[Any, Any, Any]) -> ASGIApp:
    """The contract as JSON."""
    return await _response(request, contract_json_path())


@get("/docs", opt={"access": PublicAccess.PUBLIC})
async def docs(request: Request[Any, Any, Any]) -> ASGIApp:
    """The documentation page."""
    return await _response(request, _DOCS / "docs.html")


@get("/docs/{asset:str}", opt={"access": PublicAccess.PUBLIC})
async def docs_asset(request: Request[Any, Any, Any], asset: FromPath[str]) -> ASGIApp:
    """A script or style of the documentation page."""
    if asset not in _ASSETS:
        raise MediaNotFound("Not found.")
    return await _response(request, _DOCS / asset)


async def _response(request: Request[Any, Any, Any], path: Path, *, media_type: str | None = None) -> ASGIResponse:
    return static_response(request, await load_static(path, media_type=media_type), _HEADERS)
