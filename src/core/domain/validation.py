"""Values from outside against a struct, field by field: whoever typed them is told everything that does not fit."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Mapping
from typing import Any, TypeVar

import msgspec

from .errors import InvalidSettings

_T = TypeVar("_T", bound=msgspec.Struct)

MAX_NAME_CHARS = 120
"""The most of a name that people give to something."""

_JOINERS = "\u200c\u200d"
"""Format characters that names need: some scripts and many emoji are joined by them."""

FieldError = tuple[str, str]
"""Where something does not fit (`route.0.settings.look`), and what is wrong there."""


def parse_fields(kind: type[_T], values: Mapping[str, Any], *, ignored: Collection[str] = ()) -> _T:
    """The values as a struct, defaults filled in. InvalidSettings names every field that does not fit.

    `ignored` are fields that may be there and mean nothing, such as those that are only read.
    """
    fields, errors = read_fields(kind, values, ignored=ignored)
    refuse(errors)
    return kind(**fields)


def read_fields(
    kind: type[msgspec.Struct], values: object, *, at: str = "", ignored: Collection[str] = ()
) -> tuple[dict[str, Any], list[FieldError]]:
    """The fields that fit, and what is wrong with the others, for whoever can go on with some of them.

    `at` is the place of the values themselves. Fields that are left out are not among them; their defaults are the
    struct's to fill in.
    """
    if not isinstance(values, Mapping):
        return {}, [(at, "It is an object.")]
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    parsed: dict[str, Any] = {}
    errors: list[FieldError] = []
    for name, value in values.items():
        field = fields.get(name)
        if field is None:
            if name not in ignored:
                errors.append((below(at, str(name)[:64]), "There is no such setting."))
            continue
        try:
            parsed[field.name] = msgspec.convert(value, field.type)
        except msgspec.ValidationError as error:
            errors.append(_located(below(at, name), str(error)))
    errors += [
        (below(at, name), "This setting is needed.")
        for name, field in fields.items()
        if field.required and name not in values
    ]
    return parsed, errors


def refuse(errors: Collection[FieldError]) -> None:
    """InvalidSettings with all of these, if there are any."""
    if errors:
        told = "; ".join(f"{name}: {what}" for name, what in errors)
        raise InvalidSettings(f"The settings do not fit: {told}", tuple(errors))


def below(at: str, name: str) -> str:
    """The place of a field of what lies at a place; either may be empty."""
    return f"{at}.{name}" if at and name else at or name


def visible_name(text: str) -> str:
    """As much of a text as can be a name: what can be seen, in one line, at most MAX_NAME_CHARS; empty where nothing
    can."""
    shown = "".join(character for character in text if _is_shown(character)).strip()[:MAX_NAME_CHARS].strip()
    return shown if any(unicodedata.category(character)[0] in "LNPS" for character in shown) else ""


def _is_shown(character: str) -> bool:
    category = unicodedata.category(character)
    return character in _JOINERS or (category[0] != "C" and category not in ("Zl", "Zp"))


def _located(name: str, what: str) -> FieldError:
    """msgspec ends its message with the place, as in `- at `$[0].provider_id``: that goes into the field's name."""
    message, separator, place = what.rpartition(" - at `$")
    if not separator:
        return name, what
    path = place.rstrip("`").replace("[...]", "").replace("[", ".").replace("]", "")
    return name + path, message
