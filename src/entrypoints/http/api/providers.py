"""`GET /api/providers`, `POST /api/providers/{id}/check`: providers with operations, keys, limits, prices, checks."""

from __future__ import annotations

from typing import Any

from dishka.integrations.litestar import FromDishka, inject
from litestar import Request, get, post
from litestar.params import FromPath
from litestar.types import ASGIApp

from ....core.domain.accounts import Permission
from ....core.services.providers.checks import ProviderChecks
from ...diagnostics.provider_listing import ProviderListing, listed_check
from ..protocol.etag import json_response, tagged_response


@get("/api/providers", opt={"access": Permission.SLOTS_READ})
@inject
async def list_providers(request: Request[Any, Any, Any], providers: FromDishka[ProviderListing]) -> ASGIApp:
    """The providers by ID."""
    return tagged_response(request, {"items": await providers.all()})


@post("/api/providers/{provider_id:str}/check", opt={"access": Permission.SETTINGS_WRITE})
@inject
async def check_provider(provider_id: FromPath[str], checks: FromDishka[ProviderChecks]) -> ASGIApp:
    """Ask the provider's service whether key and models work; the result is kept."""
    return json_response(listed_check(await checks.check(provider_id)))
