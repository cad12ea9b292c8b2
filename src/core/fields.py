"""Values from outside against a struct, field by field: whoever typed them is told everything that does not fit."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, TypeVar

import msgspec

from .errors import InvalidSettings

_T = TypeVar("_T", bound=msgspec.Struct)

Trouble = tuple[str, str]
"""Where something does not fit (`route.0.settings.look`), and what is wrong there."""


def parse_fields(kind: type[_T], values: Mapping[str, Any], *, ignored: Collection[str] = ()) -> _T:
    """The values as a struct, defaults filled in. InvalidSettings names every field that does not fit.

    `ignored` are fields that may be there and mean nothing, such as those that are only read.
    """
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    parsed: dict[str, Any] = {}
    errors: list[Trouble] = []
    for name, value in values.items():
        field = fields.get(name)
        if field is None:
            if name not in ignored:
                errors.append((str(name)[:64], "There is no such setting."))
            continue
        try:
            parsed[field.name] = msgspec.convert(value, field.type)
        except msgspec.ValidationError as error:
            errors.append(_located(name, str(error)))
    errors += [
        (name, "This setting is needed.") for name, field in fields.items() if field.required and name not in values
    ]
    refuse(errors)
    return kind(**parsed)


def refuse(errors: Collection[Trouble]) -> None:
    """InvalidSettings with all of these, if there are any."""
    if errors:
        told = "; ".join(f"{name}: {what}" for name, what in errors)
        raise InvalidSettings(f"The settings do not fit: {told}", tuple(errors))


def _located(name: str, what: str) -> Trouble:
    """msgspec ends its message with the place, as in `- at `$[0].provider_id``: that goes into the field's name."""
    message, separator, place = what.rpartition(" - at `$")
    if not separator:
        return name, what
    path = place.rstrip("`").replace("[...]", ".*").replace("[", ".").replace("]", "")
    return name + path, message
