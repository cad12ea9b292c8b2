"""`GET /api/providers`: what a slot's route can be made of, and how each provider is doing."""

from __future__ import annotations

from typing import Any

from litestar import Request, get
from litestar.types import ASGIApp

from ....core.domain.accounts import Permission
from ...diagnostics.provider_listing import list_providers as listed
from ..dependencies import HttpServices
from ..protocol.etag import tagged_response


@get("/api/providers", opt={"access": Permission.SLOTS_READ})
async def list_providers(request: Request[Any, Any, Any]) -> ASGIApp:
    """The providers by id."""
    services: HttpServices = request.app.state.services
    providers = await listed(
        services.catalogue.all(),
        keys=services.provider_keys,
        limits=services.limits,
        settings=services.settings,
        base_urls=services.provider_base_urls,
    )
    return tagged_response(request, {"items": providers})
