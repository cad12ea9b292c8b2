"""`POST /api/login` gives a token for a name and a password; `GET /api/me` says whose token it is."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, get, post
from litestar.types import ASGIApp

from ...core.fields import parse_fields
from .access import Open, address_of, identity_of
from .bodies import read_json
from .conditional import json_response
from .services import HttpServices

_MAX_LOGIN_BYTES = 64 * 1024


class Credentials(msgspec.Struct, frozen=True):
    """Who wants to come in."""

    username: Annotated[str, msgspec.Meta(max_length=1024)]
    password: str

    def __repr__(self) -> str:
        return "Credentials()"


class TokenBody(msgspec.Struct, kw_only=True):
    """The token as RFC 6750 carries it."""

    access_token: str
    token_type: str = "bearer"
    expires_in_sec: int
    permissions: list[str]


class MeBody(msgspec.Struct, kw_only=True):
    """Whose token it is."""

    username: str
    permissions: list[str]
    expires_at: str
    expires_in_sec: int


@post("/api/login", opt={"access": Open.PUBLIC})
async def login(request: Request[Any, Any, Any]) -> ASGIApp:
    """A token for an administrator."""
    services: HttpServices = request.app.state.services
    given = parse_fields(Credentials, await read_json(request, max_bytes=_MAX_LOGIN_BYTES))
    token, identity = await services.admins.login(given.username, given.password, address=address_of(request))
    left = identity.expires_at - services.clock.now()
    body = TokenBody(
        access_token=token,
        expires_in_sec=max(int(left.total_seconds()), 0),
        permissions=sorted(identity.permissions),
    )
    return json_response(body)


@get("/api/me", opt={"access": Open.ANY_TOKEN})
async def me(request: Request[Any, Any, Any]) -> ASGIApp:
    """Who the token speaks for."""
    services: HttpServices = request.app.state.services
    identity = identity_of(request)
    left = identity.expires_at - services.clock.now()
    body = MeBody(
        username=identity.username,
        permissions=sorted(identity.permissions),
        expires_at=identity.expires_at.isoformat(),
        expires_in_sec=max(int(left.total_seconds()), 0),
    )
    return json_response(body)
