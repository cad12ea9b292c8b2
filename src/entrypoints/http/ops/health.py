"""`/healthz`: the process responds. `/readyz`: it can take photos; if not, which part fails."""

from __future__ import annotations

import msgspec
from dishka.integrations.litestar import FromDishka, inject
from litestar import HttpMethod, route
from litestar.response.base import ASGIResponse
from litestar.types import ASGIApp

from ...diagnostics.readiness import Readiness
from ..auth.access import PublicAccess

_HEADERS = {"Cache-Control": "no-store"}
_READ = [HttpMethod.GET, HttpMethod.HEAD]  # probes use either; the server sends no body to HEAD


@route("/healthz", http_method=_READ, opt={"access": PublicAccess.PUBLIC})
async def healthz() -> ASGIApp:
    """The process responds."""
    return ASGIResponse(body=b'{"status":"live"}', media_type="application/json", headers=_HEADERS)


@route("/readyz", http_method=_READ, opt={"access": PublicAccess.PUBLIC})
@inject
async def readyz(readiness: FromDishka[Readiness]) -> ASGIApp:
    """200 if every part works, otherwise 503; the body lists the parts."""
    parts = await readiness.parts()
    ready = all(part.ok for part in parts.values())
    body = msgspec.json.encode({"status": "ready" if ready else "not_ready", "parts": parts})
    return ASGIResponse(body=body, status_code=200 if ready else 503, media_type="application/json", headers=_HEADERS)
