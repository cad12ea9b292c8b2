"""`/metrics`: the metrics of this service for Prometheus, for those who have their token."""

from __future__ import annotations

from typing import Any

from dishka.integrations.litestar import FromDishka, inject
from litestar import HttpMethod, Request, route
from litestar.response.base import ASGIResponse
from litestar.types import ASGIApp

from ...metrics.collector import MetricsCollector
from ..auth.access import PublicAccess


@route("/metrics", http_method=[HttpMethod.GET, HttpMethod.HEAD], opt={"access": PublicAccess.METRICS_TOKEN})
@inject
async def metrics(request: Request[Any, Any, Any], collector: FromDishka[MetricsCollector]) -> ASGIApp:
    """The metrics as text, or as OpenMetrics with exemplars if the client accepts it."""
    body, content_type = await collector.text(request.headers.get("accept", ""))
    headers = {"Cache-Control": "no-store", "Content-Type": content_type}
    return ASGIResponse(body=body, headers=headers, media_type=content_type)
