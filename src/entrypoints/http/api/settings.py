"""The settings as administrators read and write them; passwords and keys are write-only."""

from __future__ import annotations

from typing import Any

from dishka.integrations.litestar import FromDishka, inject
from litestar import Request, get, put
from litestar.response.base import ASGIResponse
from litestar.types import ASGIApp

from ....core.domain.accounts import Permission
from ....core.services.settings.service import SettingsService
from ..auth.access import actor_of
from ..protocol.etag import expected_version, tagged_response, version_tag
from ..protocol.json_body import read_json


@get("/api/settings", opt={"access": Permission.SETTINGS_READ})
@inject
async def get_settings(request: Request[Any, Any, Any], settings: FromDishka[SettingsService]) -> ASGIApp:
    """The current settings, and which of them an administrator has set."""
    return _response(request, await settings.describe())


@put("/api/settings", opt={"access": Permission.SETTINGS_WRITE})
@inject
async def put_settings(request: Request[Any, Any, Any], settings: FromDishka[SettingsService]) -> ASGIApp:
    """Change what the body names: all of it or nothing; null restores the default."""
    version = expected_version(request)
    document = await read_json(request)
    return _response(request, await settings.change(document, expected_version=version, by=actor_of(request)))


def _response(request: Request[Any, Any, Any], described: dict[str, Any]) -> ASGIResponse:
    version = described.pop("version")
    return tagged_response(request, described | {"etag": version_tag(version)}, version=version)
