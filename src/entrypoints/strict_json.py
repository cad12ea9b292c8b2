"""JSON from outside, read strictly: what could be understood in two ways, or nothing here can keep, is refused."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from ..core.domain.errors import InvalidJson

MAX_DEPTH = 32


def parse_json(data: bytes | str) -> Any:
    """What a JSON text holds.

    InvalidJson for what is none, and for what the standard leaves open: repeated names, NaN and infinity, numbers too
    large for them, half surrogates; also for NUL, which nothing here can keep, and for nesting beyond reason.
    """
    try:
        value = json.loads(data, object_pairs_hook=_unique, parse_constant=_no_number)
    except RecursionError:
        raise InvalidJson(f"It is nested deeper than {MAX_DEPTH} levels.") from None
    except ValueError as error:
        raise InvalidJson(f"It is not JSON: {error}.") from None
    require_plain(value)
    return value


def require_plain(value: Any) -> None:
    """InvalidJson for what JSON has no way to say, and for texts and depths that nothing here takes."""
    _check(value, depth=1)


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
    if depth > MAX_DEPTH:
        raise InvalidJson(f"It is nested deeper than {MAX_DEPTH} levels.")
    match value:
        case None | bool() | int():
            return
        case float():
            if not math.isfinite(value):
                raise InvalidJson("A number is too large, or none.")
        case str():
            if "\0" in value:
                raise InvalidJson("A text holds the character NUL.")
            if any("\ud800" <= character <= "\udfff" for character in value):
                raise InvalidJson("A text holds half a surrogate pair.")
        case dict():
            for name, inner in value.items():
                _check(name, depth=depth)
                _check(inner, depth=depth + 1)
        case list():
            for inner in value:
                _check(inner, depth=depth + 1)
        case _:
            raise InvalidJson(f"A value is none of JSON: {value!r:.64}.")
