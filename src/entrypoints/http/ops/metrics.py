"""`/metrics`: the figures of this service for Prometheus."""

from __future__ import annotations

from typing import Any

from litestar import HttpMethod, Request, route
from litestar.response.base import ASGIResponse
from litestar.types import ASGIApp

from ..auth.access import PublicAccess
from ..dependencies import HttpServices


@route("/metrics", http_method=[HttpMethod.GET, HttpMethod.HEAD], opt={"access": PublicAccess.PUBLIC})
async def metrics(request: Request[Any, Any, Any]) -> ASGIApp:
    """The figures as text; as OpenMetrics, with exemplars, for whoever accepts that."""
    services: HttpServices = request.app.state.services
    body, content_type = await services.metrics.text(request.headers.get("accept", ""))
    headers = {"Cache-Control": "no-store", "Content-Type": content_type}
    return ASGIResponse(body=body, headers=headers, media_type=content_type)
