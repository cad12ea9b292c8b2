"""JSON bodies as they come from outside: bounded, and refused where two readers could understand them differently."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from litestar import Request

from ...core.errors import InvalidJson, PayloadTooLarge, UnsupportedMediaType
from .form import Chunks

MAX_JSON_BYTES = 1024 * 1024
_MAX_DEPTH = 32


async def read_json(request: Request[Any, Any, Any], *, max_bytes: int = MAX_JSON_BYTES) -> dict[str, Any]:
    """The object in the body.

    Raises UnsupportedMediaType, PayloadTooLarge, UploadInterrupted, InvalidJson (with what is wrong), ClientGone.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise UnsupportedMediaType("The body has to be JSON: `Content-Type: application/json`.")
    if (request.content_length or 0) > max_bytes:
        raise PayloadTooLarge(f"The body is larger than {max_bytes} bytes.")
    data = b""
    async for chunk in Chunks(request.receive):
        data += chunk
        if len(data) > max_bytes:
            raise PayloadTooLarge(f"The body is larger than {max_bytes} bytes.")
    return parse_json(data)


def parse_json(data: bytes | str) -> dict[str, Any]:
    """The object that a JSON text holds.

    InvalidJson for anything else, and for what the standard leaves open: repeated names, NaN and infinity, numbers too
    large for them, half surrogates; also for NUL, which nothing here can keep, and for nesting beyond reason.
    """
    try:
        value = json.loads(data, object_pairs_hook=_unique, parse_constant=_no_number)
    except RecursionError:
        raise InvalidJson(f"The body is nested deeper than {_MAX_DEPTH} levels.") from None
    except (ValueError, UnicodeDecodeError) as error:
        raise InvalidJson(f"The body is not JSON: {error}.") from None
    if not isinstance(value, dict):
        raise InvalidJson("The body has to be a JSON object.")
    _check(value, depth=1)
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names: dict[str, Any] = {}
    for name, value in pairs:
        if name in names:
            raise InvalidJson(f"The name {name[:64]!r} is there twice in one object.")
        names[name] = value
    return names


def _no_number(text: str) -> NoReturn:
    raise InvalidJson(f"{text} is not a number of JSON.")


def _check(value: Any, *, depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise InvalidJson(f"The body is nested deeper than {_MAX_DEPTH} levels.")
    match value:
        case str():
            if "\0" in value:
                raise InvalidJson("A text holds the character NUL.")
            if any("\ud800" <= character <= "\udfff" for character in value):
                raise InvalidJson("A text holds half a surrogate pair.")
        case float() if not math.isfinite(value):
            raise InvalidJson("A number is too large.")
        case dict():
            for name, inner in value.items():
                _check(name, depth=depth)
                _check(inner, depth=depth + 1)
        case list():
            for inner in value:
                _check(inner, depth=depth + 1)
