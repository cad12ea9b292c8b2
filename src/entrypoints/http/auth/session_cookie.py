"""The session of a browser: the access token in a cookie that no script reads, and proof of where a request began.

A browser adds the cookie to requests that other pages cause. So what changes something has to carry a header that such
pages cannot send, and where the browser says who caused it, that has to be a page of this service (ADR 29).
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from litestar.connection import ASGIConnection

from ....core.domain.errors import CsrfRefused

CSRF_HEADER = "x-photochanger-csrf"

_PLAIN = "photochanger"
_SECURE = "__Host-photochanger"
"""The prefix makes browsers keep it only if it came over TLS, from this very host (RFC 6265bis §4.1.3.2)."""


def session_of(connection: ASGIConnection[Any, Any, Any, Any], public_base_url: str | None) -> str | None:
    """The token in the cookie; None where there is no session.

    Over TLS the cookie without the prefix does not count: a neighbouring host could have put it there.
    """
    cookies = connection.cookies
    if (token := cookies.get(_SECURE)) is not None:
        return token
    return None if _came_by_tls(connection, public_base_url) else cookies.get(_PLAIN)


def new_session(
    connection: ASGIConnection[Any, Any, Any, Any], token: str, *, seconds: int, public_base_url: str | None
) -> str:
    """The `Set-Cookie` that begins a session of so many seconds."""
    if _came_by_tls(connection, public_base_url):
        return f"{_SECURE}={token}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite=Strict"
    return f"{_PLAIN}={token}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict"


def ended_session(connection: ASGIConnection[Any, Any, Any, Any], public_base_url: str | None) -> str:
    """The `Set-Cookie` that takes the session away."""
    return new_session(connection, "", seconds=0, public_base_url=public_base_url)


def require_same_origin(connection: ASGIConnection[Any, Any, Any, Any], public_base_url: str | None) -> None:
    """Return if no page of another origin can have caused this request; CsrfRefused."""
    headers = connection.headers
    if headers.get(CSRF_HEADER) != "1":
        raise CsrfRefused("A request with the session's cookie that changes something needs `X-PhotoChanger-CSRF: 1`.")
    if headers.get("sec-fetch-site", "same-origin") != "same-origin":
        raise CsrfRefused("The browser says that a page of another origin caused this request.")
    origin = headers.get("origin")
    if origin is not None and _host_of(origin) not in _own_hosts(connection, public_base_url):
        raise CsrfRefused(
            "`Origin` is not the host that was asked. Behind a proxy that changes `Host`, the service has to know its "
            "public address (PHOTOCHANGER_PUBLIC_BASE_URL)."
        )


def _came_by_tls(connection: ASGIConnection[Any, Any, Any, Any], public_base_url: str | None) -> bool:
    """Whether the browser came over TLS. A proxy that ends TLS need not say so: the browser's `Origin` does, and the
    public address where that is the host that was asked."""
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
    """Host and port of an address as a browser writes them; empty for what is none, such as `null`."""
    try:
        return urlsplit(url).netloc.lower()
    except ValueError:
        return ""
