"""The settings as administrators read and write them; passwords and keys are write-only."""

from __future__ import annotations

from typing import Any

from litestar import Request, get, put
from litestar.response.base import ASGIResponse
from litestar.types import ASGIApp

from ....core.domain.accounts import Permission
from ..auth.access import actor_of
from ..dependencies import HttpServices
from ..protocol.etag import expected_version, tagged_response, version_tag
from ..protocol.json_body import read_json


@get("/api/settings", opt={"access": Permission.SETTINGS_READ})
async def get_settings(request: Request[Any, Any, Any]) -> ASGIApp:
    """The current settings, and which of them an administrator has set."""
    services: HttpServices = request.app.state.services
    return _answer(request, await services.settings.describe())


@put("/api/settings", opt={"access": Permission.SETTINGS_WRITE})
async def put_settings(request: Request[Any, Any, Any]) -> ASGIApp:
    """Change what the body names: all of it or nothing; null restores the default."""
    services: HttpServices = request.app.state.services
    version = expected_version(request)
    document = await read_json(request)
    changed = await services.settings.change(document, expected_version=version, by=actor_of(request))
    return _answer(request, changed)


def _answer(request: Request[Any, Any, Any], described: dict[str, Any]) -> ASGIResponse:
    version = described.pop("version")
    return tagged_response(request, described | {"etag": version_tag(version)}, version=version)
