"""`/manifest.webmanifest`: what a browser needs to install the administrators' page as an app."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, get
from litestar.types import ASGIApp

from ..auth.access import PublicAccess
from ..protocol.static_files import static_file, static_response
from .page import page_version

_MEDIA_TYPE = "application/manifest+json"
_GROUND, _SURFACE = "#f5f6fa", "#ffffff"
"""The colours of the light theme while the app starts; the page then sets that of its own theme."""

_ICONS = (
    ("icon-192.png", "192x192", "any"),
    ("icon-512.png", "512x512", "any"),
    ("maskable-192.png", "192x192", "maskable"),
    ("maskable-512.png", "512x512", "maskable"),
)
"""File in `static/icons`, size, purpose."""


@get("/manifest.webmanifest", opt={"access": PublicAccess.PUBLIC})
async def web_manifest(request: Request[Any, Any, Any]) -> ASGIApp:
    """The manifest. Its address stays the same over all versions, those of its icons change with the page's files."""
    root = request.scope.get("root_path", "").rstrip("/")
    icons = [
        {"src": f"{root}/ui/{page_version()}/icons/{name}", "sizes": sizes, "type": "image/png", "purpose": purpose}
        for name, sizes, purpose in _ICONS
    ]
    manifest = {
        "id": f"{root}/",
        "name": "PhotoChanger",
        "short_name": "PhotoChanger",
        "start_url": f"{root}/",
        "scope": f"{root}/",
        "display": "standalone",
        "background_color": _GROUND,
        "theme_color": _SURFACE,
        "icons": icons,
    }
    file = static_file("manifest.webmanifest", msgspec.json.encode(manifest), media_type=_MEDIA_TYPE)
    return static_response(request, file, {"Cache-Control": "no-cache"})
