"""JSON bodies of requests: limited in size and parsed strictly."""

from __future__ import annotations

from typing import Any

from litestar import Request

from ....core.domain.errors import InvalidJson, UnsupportedMediaType
from ...strict_json import parse_json
from .body import BodyChunks

MAX_JSON_BYTES = 1024 * 1024


async def read_json(request: Request[Any, Any, Any], *, max_bytes: int = MAX_JSON_BYTES) -> dict[str, Any]:
    """The JSON object in the body.

    Raises UnsupportedMediaType, PayloadTooLarge, UploadInterrupted, InvalidJson, ClientGone.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise UnsupportedMediaType("The body must be JSON with `Content-Type: application/json`.")
    data = b""
    async for chunk in BodyChunks(request, max_bytes=max_bytes):
        data += chunk
    return json_object(data)


def json_object(data: bytes | str) -> dict[str, Any]:
    """The object in a JSON text; InvalidJson."""
    value = parse_json(data)
    if not isinstance(value, dict):
        raise InvalidJson("Must be a JSON object.")
    return value
