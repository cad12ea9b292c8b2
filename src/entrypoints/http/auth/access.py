"""Access control: every handler declares its `access`, and one guard enforces it."""

from __future__ import annotations

import enum
import hmac
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from ....core.domain.accounts import Actor, Identity, Permission
from ....core.domain.errors import InvalidToken, MediaNotFound, PermissionDenied, QueueUnavailable
from ....core.services.auth.admins import AdminService
from .session_cookie import keep_session, require_same_origin, session_of

_SCHEME = "bearer "
_BACKGROUND_HEADER = "x-photochanger-background"
"""Sent by a page that is not visible: what it loads by itself is no use of the session."""

_USE_DESTINATIONS = frozenset({"", "empty", "document"})
"""`Sec-Fetch-Dest` of requests that may be a person's; pictures come with a page that was requested before them."""

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""Safe methods (RFC 9110 §9.2.1), which need no proof of the request's origin."""


class PublicAccess(enum.Enum):
    """Access that needs no permission.

    Attributes:
        PUBLIC: no authentication.
        OWN_PAGE: no authentication either, but the request must come from a page of this service.
        ANY_TOKEN: any valid token.
        METRICS_TOKEN: the token of PHOTOCHANGER_METRICS_TOKEN; without one the route does not exist.
        JOB_LINK: the job's own link (`?token=`), which the handler checks; otherwise a token with `jobs:read`.
    """

    PUBLIC = "public"
    OWN_PAGE = "own_page"
    ANY_TOKEN = "any_token"
    METRICS_TOKEN = "metrics_token"
    JOB_LINK = "job_link"


Access = PublicAccess | Permission


def access_of(handler: BaseRouteHandler) -> Access:
    """The access that a handler declares; KeyError if it declares none, so that no route is open by mistake."""
    access: Access = handler.opt["access"]
    return access


class AccessGuard:
    """Litestar's guard of all routes. It keeps the identity of the caller for `identity_of`."""

    def __init__(
        self, admins: AdminService, *, public_base_url: str | None = None, metrics_token: str | None = None
    ) -> None:
        self._admins = admins
        self._metrics_token = metrics_token
        self._public_base_url = public_base_url

    async def __call__(self, connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        """Return if the request may proceed; InvalidToken, CsrfRefused, PermissionDenied, QueueUnavailable; for metrics
        MediaNotFound.

        A token in `Authorization` has precedence over the session cookie.
        """
        access = access_of(handler)
        if access is PublicAccess.PUBLIC or (access is PublicAccess.JOB_LINK and "token" in connection.query_params):
            return
        if access is PublicAccess.OWN_PAGE:
            require_same_origin(connection, self._public_base_url)
            return
        if access is PublicAccess.METRICS_TOKEN:
            self._require_metrics_token(connection)
            return
        session = _session(connection, self._public_base_url)
        identity = await self._admins.identify(_token(connection) if session is None else session)
        method: Any = connection.scope.get("method")
        if method not in _SAFE and session is not None:
            require_same_origin(connection, self._public_base_url)  # a browser adds the cookie to any page's requests
        needed = Permission.JOBS_READ if access is PublicAccess.JOB_LINK else access
        if isinstance(needed, Permission) and needed not in identity.permissions:
            raise PermissionDenied(f"This requires the permission {needed}.")
        connection.scope["state"]["identity"] = identity
        if session is not None and _is_use(connection, handler) and (token := await self._admins.renewed(identity)):
            keep_session(connection, token, identity=identity, public_base_url=self._public_base_url)

    def _require_metrics_token(self, connection: ASGIConnection[Any, Any, Any, Any]) -> None:
        if self._metrics_token is None:
            raise MediaNotFound("Metrics are not served at this address; docs/metrics.md says where they are.")
        given = _bearer(connection)
        if given is None or not hmac.compare_digest(given.encode(), self._metrics_token.encode()):
            raise InvalidToken("This requires `Authorization: Bearer` with the token of the metrics.")


async def may_continue(
    connection: ASGIConnection[Any, Any, Any, Any],
    needed: Permission,
    *,
    admins: AdminService,
    public_base_url: str | None,
) -> bool:
    """Whether the token of a long response is still valid and permits it. True while that cannot be checked."""
    session = _session(connection, public_base_url)
    try:
        identity = await admins.identify(_token(connection) if session is None else session)
    except InvalidToken:
        return False
    except QueueUnavailable:
        return True
    return needed in identity.permissions


def identity_of(connection: ASGIConnection[Any, Any, Any, Any]) -> Identity:
    """The caller, on a route that requires a token."""
    identity: Identity = connection.scope["state"]["identity"]
    return identity


def actor_of(connection: ASGIConnection[Any, Any, Any, Any]) -> Actor:
    """The caller, for the audit log."""
    return Actor(identity_of(connection).username, address_of(connection))


def address_of(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    """The client's address."""
    return connection.client.host if connection.client else "unknown"


def _is_use(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> bool:
    """Whether a person may have caused the request: the idle limit counts from there."""
    headers = connection.headers
    return (
        not handler.opt.get("in_background", False)
        and _BACKGROUND_HEADER not in headers
        and headers.get("sec-fetch-dest", "") in _USE_DESTINATIONS
    )


def _session(connection: ASGIConnection[Any, Any, Any, Any], public_base_url: str | None) -> str | None:
    return None if "authorization" in connection.headers else session_of(connection, public_base_url)


def _token(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    if (token := _bearer(connection)) is None:
        raise InvalidToken("This requires an access token: `Authorization: Bearer ...`, from POST /api/login.")
    return token


def _bearer(connection: ASGIConnection[Any, Any, Any, Any]) -> str | None:
    given = connection.headers.get("authorization", "")
    return given[len(_SCHEME) :].strip() if given[: len(_SCHEME)].lower() == _SCHEME else None
