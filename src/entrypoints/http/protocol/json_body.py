"""JSON bodies as they come from outside: bounded, whole, and read strictly."""

from __future__ import annotations

from typing import Any

from litestar import Request

from ....core.domain.errors import InvalidJson, UnsupportedMediaType
from ...strict_json import parse_json
from .body import BodyChunks

MAX_JSON_BYTES = 1024 * 1024


async def read_json(request: Request[Any, Any, Any], *, max_bytes: int = MAX_JSON_BYTES) -> dict[str, Any]:
    """The object in the body.

    Raises UnsupportedMediaType, PayloadTooLarge, UploadInterrupted, InvalidJson (with what is wrong), ClientGone.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise UnsupportedMediaType("The body has to be JSON: `Content-Type: application/json`.")
    data = b""
    async for chunk in BodyChunks(request, max_bytes=max_bytes):
        data += chunk
    return json_object(data)


def json_object(data: bytes | str) -> dict[str, Any]:
    """The object that a JSON text holds; InvalidJson."""
    value = parse_json(data)
    if not isinstance(value, dict):
        raise InvalidJson("It has to be a JSON object.")
    return value
