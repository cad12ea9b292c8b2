"""Settings structs as self-contained JSON Schemas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

_REF_PREFIX = "#/$defs/"


def settings_schema(settings: type[msgspec.Struct]) -> dict[str, Any]:
    """The JSON Schema of a settings struct, every definition in its place, so that it can be embedded anywhere."""
    (schema,), definitions = msgspec.json.schema_components([settings], ref_template=_REF_PREFIX + "{name}")
    inlined = _inlined(schema, definitions)
    assert isinstance(inlined, dict)
    return inlined


def _inlined(schema: Any, definitions: Mapping[str, Any]) -> Any:
    """The schema with every reference replaced by its target; keys next to a reference win."""
    if isinstance(schema, list):
        return [_inlined(item, definitions) for item in schema]
    if not isinstance(schema, dict):
        return schema
    rest = {key: _inlined(value, definitions) for key, value in schema.items() if key != "$ref"}
    reference = schema.get("$ref")
    if reference is None:
        return rest
    return {**_inlined(definitions[reference.removeprefix(_REF_PREFIX)], definitions), **rest}
