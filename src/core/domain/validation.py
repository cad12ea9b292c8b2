"""Values from outside against a struct, field by field, so that one answer names every field that does not fit."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, TypeVar

import msgspec

from .errors import InvalidSettings
from .field_errors import FieldError, FieldErrorCode, below
from .outside_text import cut

_T = TypeVar("_T", bound=msgspec.Struct)

MAX_NAME_CHARS = 120
"""The longest name of a slot or a template."""

_JOINERS = "\u200c\u200d"
"""Format characters that names need: some scripts and many emoji are joined by them."""

_TYPES = {
    "object": "object",
    "array": "array",
    "str": "string",
    "int": "integer",
    "float": "number",
    "bool": "boolean",
    "uuid": "uuid",
    "datetime": "date-time",
    "null": "null",
}
"""msgspec's names of types, and ours."""

_EXPECTED = re.compile(r"Expected `([a-z |]+)`, got `.*`\Z", re.S)
_BOUND = re.compile(r"Expected `(?:int|float)` (>=|<=) (-?[0-9.e+-]+)\Z")
_LENGTH = re.compile(r"Expected `(str|array|object)` of length (>=|<=) ([0-9]+)\Z")
_PATTERN = re.compile(r"Expected `str` matching regex (?:'(.*)'|\"(.*)\")\Z", re.S)
_MISSING = re.compile(r"Object missing required field `(.*)`\Z", re.S)
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`\Z", re.S)
_PLACE = re.compile(r" - at `(?:key` in `)?\$([^`]*)`\Z")


def parse_fields(kind: type[_T], values: Mapping[str, Any], *, ignored: Collection[str] = ()) -> _T:
    """The values as a struct with defaults filled in. InvalidSettings names every field that does not fit.

    `ignored` are fields that may be present and have no effect, such as read-only ones.
    """
    fields, errors = read_fields(kind, values, ignored=ignored)
    refuse(errors)
    return kind(**fields)


def read_fields(
    kind: type[msgspec.Struct], values: object, *, at: str = "", ignored: Collection[str] = ()
) -> tuple[dict[str, Any], list[FieldError]]:
    """The fields that fit, and the errors of the others, for callers that can use a part of them.

    `at` is the path of the values themselves. Fields that are left out are not returned; the struct fills in defaults.
    """
    if not isinstance(values, Mapping):
        return {}, [FieldError(at, FieldErrorCode.WRONG_TYPE, {"expected": "object"})]
    fields = fields_of(kind)
    parsed: dict[str, Any] = {}
    errors: list[FieldError] = []
    for name, value in values.items():
        field = fields.get(name)
        if field is None:
            if name not in ignored:
                errors.append(FieldError(below(at, str(name)[:64]), FieldErrorCode.UNKNOWN_FIELD))
            continue
        try:
            parsed[field.name] = msgspec.convert(value, field.type)
        except msgspec.ValidationError as error:
            errors.append(field_error(below(at, name), field.type, error))
    errors += [
        FieldError(below(at, name), FieldErrorCode.REQUIRED)
        for name, field in fields.items()
        if field.required and name not in values
    ]
    return parsed, errors


@cache
def fields_of(kind: type[msgspec.Struct]) -> Mapping[str, msgspec.structs.FieldInfo]:
    """The fields of a struct by their names outside. Finding them takes half a millisecond, once for each struct."""
    return MappingProxyType({field.encode_name: field for field in msgspec.structs.fields(kind)})


def refuse(errors: Collection[FieldError]) -> None:
    """Raise InvalidSettings with these errors, if there are any."""
    if errors:
        raise InvalidSettings(errors)


def field_error(field: str, kind: Any, error: msgspec.ValidationError) -> FieldError:
    """What msgspec found wrong with the value of a field of this type.

    This is the only place that reads msgspec's sentences; one that it does not know becomes `invalid`.
    """
    text = cut(str(error))
    if place := _PLACE.search(text):
        text = text[: place.start()]
        field += place[1].replace("[...]", "").replace("[", ".").replace("]", "")
    if match := _MISSING.match(text):
        return FieldError(below(field, match[1]), FieldErrorCode.REQUIRED)
    if match := _UNKNOWN.match(text):
        return FieldError(below(field, match[1][:64]), FieldErrorCode.UNKNOWN_FIELD)
    code, params = _reason(text, kind)
    return FieldError(field, code, params)


def _reason(text: str, kind: Any) -> tuple[FieldErrorCode, dict[str, Any]]:
    if match := _EXPECTED.match(text):
        expected = [_TYPES[name] for name in match[1].split(" | ") if name in _TYPES]
        if expected:
            return FieldErrorCode.WRONG_TYPE, {"expected": expected[0]}
    if match := _BOUND.match(text):
        number = float(match[2])
        bound = int(number) if number.is_integer() else number
        return (
            (FieldErrorCode.TOO_SMALL, {"min": bound})
            if match[1] == ">="
            else (FieldErrorCode.TOO_LARGE, {"max": bound})
        )
    if match := _LENGTH.match(text):
        return _length(match[1], match[2], int(match[3]))
    if match := _PATTERN.match(text):
        return FieldErrorCode.PATTERN, {"pattern": match[1] or match[2]}
    if text == "Invalid UUID":
        return FieldErrorCode.WRONG_TYPE, {"expected": "uuid"}
    if text == "Invalid RFC3339 encoded datetime":
        return FieldErrorCode.WRONG_TYPE, {"expected": "date-time"}
    if text == "Expected `datetime` with a timezone component":
        return FieldErrorCode.TIME_ZONE_REQUIRED, {}
    if text.startswith("Invalid enum value") and (allowed := _choices(msgspec.inspect.type_info(kind))):
        return FieldErrorCode.NOT_ONE_OF, {"allowed": allowed}
    return FieldErrorCode.INVALID, {"message": f"{text[:200]}."}


def _length(kind: str, comparison: str, bound: int) -> tuple[FieldErrorCode, dict[str, Any]]:
    if comparison == ">=":
        return (FieldErrorCode.EMPTY, {}) if bound == 1 else (FieldErrorCode.TOO_SHORT, {"min": bound})
    return FieldErrorCode.TOO_LONG if kind == "str" else FieldErrorCode.TOO_MANY, {"max": bound}


def _choices(info: msgspec.inspect.Type) -> list[Any]:
    """The values of the first enumeration or literal in a type; empty where it has none."""
    match info:
        case msgspec.inspect.EnumType(cls=cls):
            return [member.value for member in cls]
        case msgspec.inspect.LiteralType(values=values):
            return list(values)
        case msgspec.inspect.Metadata(type=inner):
            return _choices(inner)
        case msgspec.inspect.UnionType(types=types):
            return next((found for inner in types if (found := _choices(inner))), [])
        case msgspec.inspect.ListType(item_type=inner) | msgspec.inspect.VarTupleType(item_type=inner):
            return _choices(inner)
        case msgspec.inspect.DictType(value_type=inner):
            return _choices(inner)
    return []


def visible_name(text: str) -> str:
    """The part of a text that can serve as a name: printable, one line, at most MAX_NAME_CHARS; may be empty."""
    shown = "".join(character for character in cut(text) if _is_shown(character)).strip()[:MAX_NAME_CHARS].strip()
    return shown if any(unicodedata.category(character)[0] in "LNPS" for character in shown) else ""


def _is_shown(character: str) -> bool:
    category = unicodedata.category(character)
    return character in _JOINERS or (category[0] != "C" and category not in ("Zl", "Zp"))
