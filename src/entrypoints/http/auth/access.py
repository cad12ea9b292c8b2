"""Who may call a route: every handler says it in its `access`, and this one guard holds it to that."""

from __future__ import annotations

import enum
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from ....core.domain.accounts import Actor, Identity, Permission
from ....core.domain.errors import InvalidToken, PermissionDenied, QueueUnavailable
from ..dependencies import HttpServices
from .session_cookie import require_same_origin, session_of

_SCHEME = "bearer "
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods of routes that change nothing (RFC 9110 §9.2.1): these need no proof of where the request began."""


class PublicAccess(enum.Enum):
    """Access that needs no permission.

    Attributes:
        PUBLIC: nobody is asked who they are.
        OWN_PAGE: nobody is asked either, but the request has to begin on a page of this very service.
        ANY_TOKEN: whoever has a token that holds.
        JOB_LINK: the holder of the job's own link (`?token=`), which the handler checks; else a token with `jobs:read`.
    """

    PUBLIC = "public"
    OWN_PAGE = "own_page"
    ANY_TOKEN = "any_token"
    JOB_LINK = "job_link"


Access = PublicAccess | Permission


def access_of(handler: BaseRouteHandler) -> Access:
    """What the handler asks for; KeyError where it says nothing, so that no route is open by oversight."""
    access: Access = handler.opt["access"]
    return access


async def require_access(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Let the request through and keep who makes it; InvalidToken, CsrfRefused, PermissionDenied, QueueUnavailable.

    A token in `Authorization` is what counts; where there is none, the cookie of a session does.
    """
    access = access_of(handler)
    if access is PublicAccess.PUBLIC or (access is PublicAccess.JOB_LINK and "token" in connection.query_params):
        return
    services: HttpServices = connection.app.state.services
    if access is PublicAccess.OWN_PAGE:
        require_same_origin(connection, services.public_base_url)
        return
    identity = await _identify(connection, services)
    method: Any = connection.scope.get("method")
    if method not in _SAFE and _session(connection, services) is not None:
        require_same_origin(connection, services.public_base_url)  # a browser adds the cookie to whatever a page causes
    needed = Permission.JOBS_READ if access is PublicAccess.JOB_LINK else access
    if isinstance(needed, Permission) and needed not in identity.permissions:
        raise PermissionDenied(f"This needs the permission {needed}.")
    connection.scope["state"]["identity"] = identity


async def may_go_on(connection: ASGIConnection[Any, Any, Any, Any], needed: Permission) -> bool:
    """For an answer that takes long: whether the token that it began with still holds and allows this. Where nobody can
    tell right now, it does."""
    try:
        identity = await _identify(connection, connection.app.state.services)
    except InvalidToken:
        return False
    except QueueUnavailable:
        return True
    return needed in identity.permissions


def identity_of(connection: ASGIConnection[Any, Any, Any, Any]) -> Identity:
    """Who makes the request, on a route that asks for a token."""
    identity: Identity = connection.scope["state"]["identity"]
    return identity


def actor_of(connection: ASGIConnection[Any, Any, Any, Any]) -> Actor:
    """The same for the audit log."""
    return Actor(identity_of(connection).username, address_of(connection))


def address_of(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    """Where the request comes from."""
    return connection.client.host if connection.client else "unknown"


async def _identify(connection: ASGIConnection[Any, Any, Any, Any], services: HttpServices) -> Identity:
    session = _session(connection, services)
    return await services.admins.identify(_token(connection) if session is None else session)


def _session(connection: ASGIConnection[Any, Any, Any, Any], services: HttpServices) -> str | None:
    return None if "authorization" in connection.headers else session_of(connection, services.public_base_url)


def _token(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    given = connection.headers.get("authorization", "")
    if given[: len(_SCHEME)].lower() != _SCHEME:
        raise InvalidToken("This needs an access token: `Authorization: Bearer ...`, from POST /api/login.")
    return given[len(_SCHEME) :].strip()
