"""`GET /api/sample-photos/{name}`: photos of the demo to try a slot with, where none of one's own is at hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from litestar import Request, get
from litestar.params import FromPath
from litestar.types import ASGIApp

from .....core.domain.accounts import Permission
from .....core.domain.errors import MediaNotFound
from ...protocol.static_files import load_static, static_response

SAMPLE_PHOTOS = ("portrait", "cat", "coffee")
"""Those whose licence asks for no attribution (see CREDITS.md beside them)."""

_FOLDER = Path(__file__).parents[3] / "diagnostics/sample_photos"
_HEADERS = {"Cache-Control": "private, max-age=3600", "Content-Disposition": "inline"}


@get("/api/sample-photos/{name:str}", opt={"access": Permission.SLOTS_READ})
async def get_sample_photo(request: Request[Any, Any, Any], name: FromPath[str]) -> ASGIApp:
    """The photo as JPEG."""
    if name not in SAMPLE_PHOTOS:
        raise MediaNotFound("There is no such sample photo.")
    return static_response(request, await load_static(_FOLDER / f"{name}.jpg"), _HEADERS)
