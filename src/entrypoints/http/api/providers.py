"""`GET /api/providers`: providers with their operations, keys, limits and health."""

from __future__ import annotations

from typing import Any

from dishka.integrations.litestar import FromDishka, inject
from litestar import Request, get
from litestar.types import ASGIApp

from ....core.domain.accounts import Permission
from ...diagnostics.provider_listing import ProviderListing
from ..protocol.etag import tagged_response


@get("/api/providers", opt={"access": Permission.SLOTS_READ})
@inject
async def list_providers(request: Request[Any, Any, Any], providers: FromDishka[ProviderListing]) -> ASGIApp:
    """The providers by ID."""
    return tagged_response(request, {"items": await providers.all()})
