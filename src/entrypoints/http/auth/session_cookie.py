"""Browser sessions: the access token in an HttpOnly cookie, and the check that a request comes from the own page.

A browser adds the cookie to requests that other pages cause. So requests that change something must have a header that
such pages cannot send, and if the browser names their origin, it must be this service (ADR 29).
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from litestar.connection import ASGIConnection
from litestar.types import Message, Scope

from ....core.domain.accounts import IDLE_LIMIT, Identity
from ....core.domain.errors import CsrfRefused

CSRF_HEADER = "x-photochanger-csrf"

_RENEWED = "renewed_session"
_PLAIN = "photochanger"
_SECURE = "__Host-photochanger"
"""The prefix makes browsers accept it only over TLS and from this host itself (RFC 6265bis §4.1.3.2)."""


def session_of(connection: ASGIConnection[Any, Any, Any, Any], public_base_url: str | None) -> str | None:
    """The token in the cookie; None without a session.

    Over TLS a cookie without the prefix is ignored: a neighbouring host could have set it.
    """
    cookies = connection.cookies
    if (token := cookies.get(_SECURE)) is not None:
        return token
    return None if _uses_tls(connection, public_base_url) else cookies.get(_PLAIN)


def new_session(
    connection: ASGIConnection[Any, Any, Any, Any], token: str, *, seconds: int, public_base_url: str | None
) -> str:
    """The `Set-Cookie` header that starts a session of this many seconds."""
    if _uses_tls(connection, public_base_url):
        return f"{_SECURE}={token}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite=Strict"
    return f"{_PLAIN}={token}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict"


def keep_session(
    connection: ASGIConnection[Any, Any, Any, Any], token: str, *, identity: Identity, public_base_url: str | None
) -> None:
    """Have `send_kept_session` add the renewed cookie to the response."""
    seconds = int(min(IDLE_LIMIT, identity.expires_at - identity.issued_at).total_seconds())
    cookie = new_session(connection, token, seconds=seconds, public_base_url=public_base_url)
    connection.scope["state"][_RENEWED] = cookie


async def send_kept_session(message: Message, scope: Scope) -> None:
    """Litestar's `before_send` hook: the renewed cookie of `keep_session`, unless the response sets one itself."""
    if message["type"] != "http.response.start" or (cookie := scope["state"].get(_RENEWED)) is None:
        return
    headers = [*message["headers"]]
    if all(name.lower() != b"set-cookie" for name, _ in headers):
        message["headers"] = [*headers, (b"set-cookie", cookie.encode())]


def ended_session(connection: ASGIConnection[Any, Any, Any, Any], public_base_url: str | None) -> str:
    """The `Set-Cookie` header that ends the session."""
    return new_session(connection, "", seconds=0, public_base_url=public_base_url)


def require_same_origin(connection: ASGIConnection[Any, Any, Any, Any], public_base_url: str | None) -> None:
    """Return if no page of another origin can have caused this request; CsrfRefused."""
    headers = connection.headers
    if headers.get(CSRF_HEADER) != "1":
        raise CsrfRefused("A request with the session cookie that changes something needs `X-PhotoChanger-CSRF: 1`.")
    if headers.get("sec-fetch-site", "same-origin") != "same-origin":
        raise CsrfRefused("A page of another origin caused this request.")
    origin = headers.get("origin")
    if origin is not None and _host_of(origin) not in _own_hosts(connection, public_base_url):
        raise CsrfRefused(
            "`Origin` does not match the requested host. Behind a proxy that changes `Host`, set the public address "
            "(PHOTOCHANGER_PUBLIC_BASE_URL)."
        )


def _uses_tls(connection: ASGIConnection[Any, Any, Any, Any], public_base_url: str | None) -> bool:
    """Whether the browser uses TLS. Behind a proxy that terminates TLS, the browser's `Origin` shows it, or the public
    address if that is the requested host."""
    if connection.scope["scheme"] == "https":
        return True
    origin, known = connection.headers.get("origin", ""), public_base_url or ""
    if origin.startswith("https://") and _host_of(origin) in _own_hosts(connection, public_base_url):
        return True
    return known.startswith("https://") and _host_of(known) == connection.headers.get("host", "").lower()


def _own_hosts(connection: ASGIConnection[Any, Any, Any, Any], public_base_url: str | None) -> set[str]:
    hosts = {connection.headers.get("host", "").lower(), _host_of(public_base_url or "")}
    return hosts - {""}


def _host_of(url: str) -> str:
    """Host and port of a URL as a browser writes them; empty for a value that is not a URL, such as `null`."""
    try:
        return urlsplit(url).netloc.lower()
    except ValueError:
        return ""
