"""Settings structs as self-contained JSON Schemas, and settings checked against them field by field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from ...core.errors import InvalidSettings

_T = TypeVar("_T", bound=msgspec.Struct)

_REF_PREFIX = "#/$defs/"


def settings_schema(settings: type[msgspec.Struct]) -> dict[str, Any]:
    """The JSON Schema of a settings struct, every definition in its place, so that it can be embedded anywhere."""
    (schema,), definitions = msgspec.json.schema_components([settings], ref_template=_REF_PREFIX + "{name}")
    inlined = _inlined(schema, definitions)
    assert isinstance(inlined, dict)
    return inlined


def parse_settings(settings: type[_T], values: Mapping[str, Any]) -> _T:
    """The settings as a struct, defaults filled in. InvalidSettings names every field that does not fit."""
    fields = {field.encode_name: field for field in msgspec.structs.fields(settings)}
    parsed: dict[str, Any] = {}
    errors: list[tuple[str, str]] = []
    for name, value in values.items():
        field = fields.get(name)
        if field is None:
            errors.append((str(name), "There is no such setting."))
            continue
        try:
            parsed[field.name] = msgspec.convert(value, field.type)
        except msgspec.ValidationError as error:
            errors.append((name, str(error)))
    errors += [
        (name, "This setting is needed.") for name, field in fields.items() if field.required and name not in values
    ]
    if errors:
        told = "; ".join(f"{name}: {what}" for name, what in errors)
        raise InvalidSettings(f"The settings do not fit: {told}", tuple(errors))
    return settings(**parsed)


def _inlined(schema: Any, definitions: Mapping[str, Any]) -> Any:
    """The schema with every reference replaced by what it refers to; what stands beside a reference wins."""
    if isinstance(schema, list):
        return [_inlined(item, definitions) for item in schema]
    if not isinstance(schema, dict):
        return schema
    rest = {key: _inlined(value, definitions) for key, value in schema.items() if key != "$ref"}
    reference = schema.get("$ref")
    if reference is None:
        return rest
    return {**_inlined(definitions[reference.removeprefix(_REF_PREFIX)], definitions), **rest}
