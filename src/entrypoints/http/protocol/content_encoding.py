"""The refusal of compressed request bodies, for all routes: a few bytes could unpack to any size."""

from __future__ import annotations

from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from ....core.domain.errors import UnsupportedMediaType

_MAX_SHOWN = 40


async def refuse_encoded_body(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Litestar's guard of all routes. UnsupportedMediaType if the body has a `Content-Encoding` other than identity."""
    encodings = ",".join(connection.headers.getall("content-encoding", []))
    names = [name.strip().lower() for name in encodings.split(",")]
    if any(name not in ("", "identity") for name in names) and _has_body(connection):
        shown = encodings[:_MAX_SHOWN]
        raise UnsupportedMediaType(f"The body has the Content-Encoding {shown!r}. Send it without compression.")


def _has_body(connection: ASGIConnection[Any, Any, Any, Any]) -> bool:
    return "transfer-encoding" in connection.headers or connection.headers.get("content-length", "0").strip() != "0"
