"""`GET /api/status`: the same as `photochanger status` and `doctor` show of the running service."""

from __future__ import annotations

import asyncio
from importlib.metadata import version

from dishka import AsyncContainer
from dishka.integrations.litestar import FromDishka, inject
from litestar import get
from litestar.types import ASGIApp

from ....core.domain.accounts import Permission
from ...diagnostics.readiness import Readiness
from ...diagnostics.report import findings
from ...diagnostics.status import collect_status, status_body
from ..protocol.etag import json_response


@get("/api/status", opt={"access": Permission.SETTINGS_READ})
@inject
async def status(readiness: FromDishka[Readiness], container: FromDishka[AsyncContainer]) -> ASGIApp:
    """The current state of the service."""
    parts, collected, found = await asyncio.gather(readiness.parts(), collect_status(container), findings(container))
    body = {
        "version": version("photochanger"),
        "ready": all(part.ok for part in parts.values()),
        "parts": parts,
        **status_body(collected),
        "findings": found,
    }
    return json_response(body)
