"""`POST /api/login` gives a token for a name and a password, `POST /api/session` the same as a cookie for browsers;
`GET /api/me` says whose it is."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, delete, get, post
from litestar.response.base import ASGIResponse
from litestar.types import ASGIApp

from ....core.domain.accounts import Actor, Identity
from ....core.domain.audit import AuditAction, audit_entry
from ....core.domain.errors import InvalidToken
from ....core.domain.validation import parse_fields
from ..dependencies import HttpServices
from ..protocol.etag import json_response
from ..protocol.json_body import read_json
from .access import PublicAccess, address_of, identity_of
from .session_cookie import ended_session, new_session, session_of

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


@post("/api/login", opt={"access": PublicAccess.PUBLIC})
async def login(request: Request[Any, Any, Any]) -> ASGIApp:
    """A token for an administrator."""
    services: HttpServices = request.app.state.services
    token, identity = await _logged_in(request)
    body = TokenBody(
        access_token=token,
        expires_in_sec=_seconds_left(identity, services),
        permissions=sorted(identity.permissions),
    )
    return json_response(body)


@post("/api/session", opt={"access": PublicAccess.OWN_PAGE})
async def begin_session(request: Request[Any, Any, Any]) -> ASGIApp:
    """The same token as a cookie that no script can read."""
    services: HttpServices = request.app.state.services
    token, identity = await _logged_in(request)
    seconds = _seconds_left(identity, services)
    cookie = new_session(request, token, seconds=seconds, public_base_url=services.public_base_url)
    return json_response(_me(identity, services), headers={"Set-Cookie": cookie})


@delete("/api/session", status_code=200, opt={"access": PublicAccess.OWN_PAGE})
async def end_session(request: Request[Any, Any, Any]) -> ASGIApp:
    """Take the cookie away, whatever it is worth still."""
    services: HttpServices = request.app.state.services
    session = session_of(request, services.public_base_url)
    if session is not None and (identity := await _identified(session, services)) is not None:
        by = Actor(identity.username, address_of(request))
        entry = audit_entry(AuditAction.LOGOUT, by, now=services.clock.now(), target=identity.username)
        await services.audit.append(entry)
    headers = {"Set-Cookie": ended_session(request, services.public_base_url), "Cache-Control": "no-store"}
    return ASGIResponse(status_code=204, headers=headers)


@get("/api/me", opt={"access": PublicAccess.ANY_TOKEN})
async def me(request: Request[Any, Any, Any]) -> ASGIApp:
    """Who the token speaks for."""
    return json_response(_me(identity_of(request), request.app.state.services))


async def _logged_in(request: Request[Any, Any, Any]) -> tuple[str, Identity]:
    services: HttpServices = request.app.state.services
    given = parse_fields(Credentials, await read_json(request, max_bytes=_MAX_LOGIN_BYTES))
    return await services.admins.login(given.username, given.password, address=address_of(request))


async def _identified(token: str, services: HttpServices) -> Identity | None:
    try:
        return await services.admins.identify(token)
    except InvalidToken:
        return None


def _me(identity: Identity, services: HttpServices) -> MeBody:
    return MeBody(
        username=identity.username,
        permissions=sorted(identity.permissions),
        expires_at=identity.expires_at.isoformat(),
        expires_in_sec=_seconds_left(identity, services),
    )


def _seconds_left(identity: Identity, services: HttpServices) -> int:
    return max(int((identity.expires_at - services.clock.now()).total_seconds()), 0)
