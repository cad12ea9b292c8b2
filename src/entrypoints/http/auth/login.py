"""`POST /api/login` exchanges name and password for a token, `POST /api/session` for a cookie with that token;
`POST /api/logout` and `DELETE /api/session` revoke it; `GET /api/me` describes the caller."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from dishka.integrations.litestar import FromDishka, inject
from litestar import Request, delete, get, post
from litestar.response.base import ASGIResponse
from litestar.types import ASGIApp

from ....core.domain.accounts import IDLE_LIMIT, Actor, Identity
from ....core.domain.errors import InvalidToken
from ....core.domain.validation import parse_fields
from ....core.ports.clock import Clock
from ....core.services.auth.admins import AdminService
from ...config import Settings
from ..protocol.etag import json_response
from ..protocol.json_body import read_json
from ..protocol.query import read_query
from .access import PublicAccess, actor_of, address_of, identity_of
from .session_cookie import ended_session, new_session, session_of

MAX_LOGIN_BYTES = 64 * 1024

_SIGNED_OUT = {
    "Cache-Control": "no-store",
    # Not "cookies": a browser would delete those of all hosts of the domain. Ours ends by Set-Cookie.
    "Clear-Site-Data": '"cache", "storage"',
}


class Credentials(msgspec.Struct, frozen=True):
    """The body of a login."""

    username: Annotated[str, msgspec.Meta(max_length=1024)]
    password: str

    def __repr__(self) -> str:
        return "Credentials()"


class LogoutQuery(msgspec.Struct, frozen=True):
    """What to revoke: this token, or all tokens of the administrator."""

    everywhere: bool = False


class TokenBody(msgspec.Struct, kw_only=True):
    """The token in the form of RFC 6750."""

    access_token: str
    token_type: str = "bearer"
    expires_in_sec: int
    permissions: list[str]


class MeBody(msgspec.Struct, kw_only=True):
    """The caller."""

    username: str
    permissions: list[str]
    expires_at: str
    expires_in_sec: int


@post("/api/login", opt={"access": PublicAccess.PUBLIC})
@inject
async def login(request: Request[Any, Any, Any], admins: FromDishka[AdminService], clock: FromDishka[Clock]) -> ASGIApp:
    """Create a token for an administrator."""
    token, identity = await _log_in(request, admins)
    return json_response(token_body(token, identity, clock.now()))


@post("/api/session", opt={"access": PublicAccess.OWN_PAGE})
@inject
async def begin_session(
    request: Request[Any, Any, Any],
    admins: FromDishka[AdminService],
    config: FromDishka[Settings],
    clock: FromDishka[Clock],
) -> ASGIApp:
    """Create a token and store it in a cookie that scripts cannot read."""
    token, identity = await _log_in(request, admins, session=True)
    now = clock.now()
    seconds = min(_seconds_left(identity, now), int(IDLE_LIMIT.total_seconds()))
    cookie = new_session(request, token, seconds=seconds, public_base_url=config.public_base_url)
    return json_response(_me(identity, now), headers={"Set-Cookie": cookie})


@delete("/api/session", status_code=200, opt={"access": PublicAccess.OWN_PAGE})
@inject
async def end_session(
    request: Request[Any, Any, Any], admins: FromDishka[AdminService], config: FromDishka[Settings]
) -> ASGIApp:
    """Remove the cookie, whether or not it is still valid, and revoke its token."""
    session = session_of(request, config.public_base_url)
    if session is not None and (identity := await _identified(session, admins)) is not None:
        await admins.sign_out(identity, by=Actor(identity.username, address_of(request)))
    return _signed_out(request, config)


@post("/api/logout", status_code=200, opt={"access": PublicAccess.ANY_TOKEN})
@inject
async def logout(
    request: Request[Any, Any, Any], admins: FromDishka[AdminService], config: FromDishka[Settings]
) -> ASGIApp:
    """Revoke the token of this request, or all tokens of its administrator."""
    everywhere = read_query(request, LogoutQuery).everywhere
    await admins.sign_out(identity_of(request), everywhere=everywhere, by=actor_of(request))
    return _signed_out(request, config)


@get("/api/me", opt={"access": PublicAccess.ANY_TOKEN})
@inject
async def me(request: Request[Any, Any, Any], clock: FromDishka[Clock]) -> ASGIApp:
    """Describe the caller."""
    return json_response(_me(identity_of(request), clock.now()))


def token_body(token: str, identity: Identity, now: datetime) -> TokenBody:
    """A token with its life and permissions."""
    return TokenBody(
        access_token=token,
        expires_in_sec=_seconds_left(identity, now),
        permissions=sorted(identity.permissions),
    )


async def _log_in(
    request: Request[Any, Any, Any], admins: AdminService, *, session: bool = False
) -> tuple[str, Identity]:
    given = parse_fields(Credentials, await read_json(request, max_bytes=MAX_LOGIN_BYTES))
    return await admins.login(given.username, given.password, address=address_of(request), session=session)


def _signed_out(request: Request[Any, Any, Any], config: Settings) -> ASGIResponse:
    headers = _SIGNED_OUT | {"Set-Cookie": ended_session(request, config.public_base_url)}
    return ASGIResponse(status_code=204, headers=headers)


async def _identified(token: str, admins: AdminService) -> Identity | None:
    try:
        return await admins.identify(token)
    except InvalidToken:
        return None


def _me(identity: Identity, now: datetime) -> MeBody:
    return MeBody(
        username=identity.username,
        permissions=sorted(identity.permissions),
        expires_at=identity.expires_at.isoformat(),
        expires_in_sec=_seconds_left(identity, now),
    )


def _seconds_left(identity: Identity, now: datetime) -> int:
    return max(int((identity.expires_at - now).total_seconds()), 0)
