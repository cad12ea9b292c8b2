"""The refusal of compressed request bodies, for all routes: a few bytes could unpack to any size."""

from __future__ import annotations

from typing import Any

from litestar.connection import ASGIConnection

from ....core.domain.errors import UnsupportedMediaType

_MAX_SHOWN = 40


def refuse_encoded_body(connection: ASGIConnection[Any, Any, Any, Any]) -> None:
    """UnsupportedMediaType if the request has a body with a `Content-Encoding` other than identity."""
    encodings = _values(connection, b"content-encoding")
    if not encodings:
        return
    names = [name.strip().lower() for name in encodings.split(b",")]
    if any(name not in (b"", b"identity") for name in names) and _has_body(connection):
        shown = encodings[:_MAX_SHOWN].decode("latin-1")
        raise UnsupportedMediaType(f"The body has the Content-Encoding {shown!r}. Send it without compression.")


def _has_body(connection: ASGIConnection[Any, Any, Any, Any]) -> bool:
    return _values(connection, b"transfer-encoding") != b"" or _values(connection, b"content-length") not in (b"", b"0")


def _values(connection: ASGIConnection[Any, Any, Any, Any], header: bytes) -> bytes:
    """From the scope: Litestar's headers cost more than everything else here, and most requests need none of them."""
    return b",".join([value for name, value in connection.scope["headers"] if name == header])
