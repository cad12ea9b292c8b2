"""`GET /api/status`: what `photochanger status` and `doctor` know of the running service."""

from __future__ import annotations

import asyncio
from importlib.metadata import version
from typing import Any

import msgspec
from litestar import Request, get
from litestar.types import ASGIApp

from ....core.domain.accounts import Permission
from ..dependencies import HttpServices
from ..ops.health import parts_of
from ..protocol.etag import json_response


@get("/api/status", opt={"access": Permission.SETTINGS_READ})
async def status(request: Request[Any, Any, Any]) -> ASGIApp:
    """The service as it is now."""
    services: HttpServices = request.app.state.services
    parts, shown, findings = await asyncio.gather(parts_of(services.readiness), services.status(), services.findings())
    body = {
        "version": version("photochanger"),
        "ready": all(part.ok for part in parts.values()),
        "parts": parts,
        **msgspec.structs.asdict(shown),
        "findings": findings,
    }
    return json_response(body)
