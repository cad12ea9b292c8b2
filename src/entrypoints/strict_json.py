"""Strict JSON input: what is ambiguous, or cannot be stored, is refused."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from ..core.domain.errors import InvalidJson

MAX_DEPTH = 32


def parse_json(data: bytes | str) -> Any:
    """Parse a JSON text.

    InvalidJson also for what the standard leaves open (duplicate names, NaN and infinity, numbers out of range, lone
    surrogates), for NUL, which cannot be stored, and for nesting deeper than MAX_DEPTH.
    """
    try:
        value = json.loads(data, object_pairs_hook=_unique, parse_constant=_no_number)
    except RecursionError:
        raise InvalidJson(f"Nested deeper than {MAX_DEPTH} levels.") from None
    except ValueError as error:
        raise InvalidJson(f"Not JSON: {error}.") from None
    require_plain(value)
    return value


def require_plain(value: Any) -> None:
    """Raise InvalidJson unless a value can be written as JSON and passes the checks of `parse_json`."""
    _check(value, depth=1)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names: dict[str, Any] = {}
    for name, value in pairs:
        if name in names:
            raise InvalidJson(f"Duplicate name {name[:64]!r} in one object.")
        names[name] = value
    return names


def _no_number(text: str) -> NoReturn:
    raise InvalidJson(f"{text} is not a JSON number.")


def _check(value: Any, *, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise InvalidJson(f"Nested deeper than {MAX_DEPTH} levels.")
    match value:
        case None | bool() | int():
            return
        case float():
            if not math.isfinite(value):
                raise InvalidJson("A number is out of range.")
        case str():
            if "\0" in value:
                raise InvalidJson("A text contains the character NUL.")
            try:
                value.encode()
            except UnicodeEncodeError:
                raise InvalidJson("A text contains a lone surrogate.") from None
        case dict():
            for name, inner in value.items():
                _check(name, depth=depth)
                _check(inner, depth=depth + 1)
        case list():
            for inner in value:
                _check(inner, depth=depth + 1)
        case _:
            raise InvalidJson(f"Not a JSON value: {value!r:.64}.")
