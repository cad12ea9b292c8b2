"""Settings structs as self-contained JSON Schemas, and the error of an unknown operation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ...core.domain.errors import InvalidSettings
from ...core.domain.field_errors import FieldError, FieldErrorCode

_REF_PREFIX = "#/$defs/"


def settings_schema(settings: type[msgspec.Struct]) -> dict[str, Any]:
    """The JSON Schema of a settings struct with every definition inlined, so that it can be embedded anywhere."""
    (schema,), definitions = msgspec.json.schema_components([settings], ref_template=_REF_PREFIX + "{name}")
    inlined = _inlined(schema, definitions)
    assert isinstance(inlined, dict)
    return inlined


def unknown_operation(provider_id: str, operation_id: str) -> InvalidSettings:
    """The error of settings for an operation that a provider does not have."""
    params = {"provider": provider_id, "operation": operation_id[:64]}
    return InvalidSettings([FieldError("operation_id", FieldErrorCode.OPERATION_UNKNOWN, params)])


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
