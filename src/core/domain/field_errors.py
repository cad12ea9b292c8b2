"""What can be wrong with one field: a closed list of codes, each with one sentence and the parameters in it.

A client translates `code` and `params`; `message` is the English sentence made from them.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from typing import Any

import msgspec


class FieldErrorCode(enum.StrEnum):
    """Why a field was refused; the same names in HTTP problems and in the words of the page."""

    ACTIVE_WITHOUT_ROUTE = "active_without_route"
    ADDRESS_NOT_PUBLIC = "address_not_public"
    BACKGROUND_NOT_SUPPORTED = "background_not_supported"
    COMPRESSION_NOT_SUPPORTED = "compression_not_supported"
    CURSOR_UNKNOWN = "cursor_unknown"
    DUPLICATE = "duplicate"
    DUPLICATE_PARAMETER = "duplicate_parameter"
    EMPTY = "empty"
    FIELD_NAME_FORMAT = "field_name_format"
    FORM_NAME_TAKEN = "form_name_taken"
    HEADER_CARRIES_KEY = "header_carries_key"
    HEADER_NAME_FORMAT = "header_name_format"
    HEADER_RESERVED = "header_reserved"
    HEADER_VALUE_FORMAT = "header_value_format"
    HEDGE_WITHOUT_SECOND_ENTRY = "hedge_without_second_entry"
    INVALID = "invalid"
    KEY_FORMAT = "key_format"
    LAST_ADMINISTRATOR = "last_administrator"
    LENGTH_OUT_OF_RANGE = "length_out_of_range"
    NAME_FORMAT = "name_format"
    NOT_ONE_OF = "not_one_of"
    OPERATION_UNKNOWN = "operation_unknown"
    OUT_OF_RANGE = "out_of_range"
    PATTERN = "pattern"
    PROMPT_FIELD_UNKNOWN = "prompt_field_unknown"
    PROVIDER_NOT_CONFIGURABLE = "provider_not_configurable"
    PROVIDER_UNKNOWN = "provider_unknown"
    RANGE_EMPTY = "range_empty"
    RANGE_TOO_LONG = "range_too_long"
    REQUIRED = "required"
    ROUTE_EMPTY = "route_empty"
    SEARCH_TEXT_FORMAT = "search_text_format"
    SLOT_UNKNOWN = "slot_unknown"
    TEMPLATE_NOT_FOUND = "template_not_found"
    TEMPLATE_ROLE_UNKNOWN = "template_role_unknown"
    TEMPLATES_NOT_SUPPORTED = "templates_not_supported"
    TIME_ZONE_REQUIRED = "time_zone_required"
    TIME_ZONE_UNKNOWN = "time_zone_unknown"
    TOO_EARLY = "too_early"
    TOO_FAR_AHEAD = "too_far_ahead"
    TOO_LARGE = "too_large"
    TOO_LONG = "too_long"
    TOO_MANY = "too_many"
    TOO_SMALL = "too_small"
    TOO_SHORT = "too_short"
    UNKNOWN_FIELD = "unknown_field"
    UNKNOWN_PARAMETER = "unknown_parameter"
    URL_FORMAT = "url_format"
    USERNAME_FORMAT = "username_format"
    WRONG_TYPE = "wrong_type"
    YEAR_OUT_OF_RANGE = "year_out_of_range"


_C = FieldErrorCode

SENTENCES: Mapping[FieldErrorCode, str] = {
    _C.ACTIVE_WITHOUT_ROUTE: "An active slot needs at least one route entry.",
    _C.ADDRESS_NOT_PUBLIC: "{host} is not at a public address and not listed in {variable}.",
    _C.BACKGROUND_NOT_SUPPORTED: "A transparent background requires output_format png or webp, not {format}.",
    _C.COMPRESSION_NOT_SUPPORTED: "Compression applies to jpeg and webp, not to {format}.",
    _C.CURSOR_UNKNOWN: "Must be a cursor returned by this list.",
    _C.DUPLICATE: "Already used; must be unique.",
    _C.DUPLICATE_PARAMETER: "Duplicate parameter.",
    _C.EMPTY: "Must not be empty.",
    _C.FIELD_NAME_FORMAT: "Must be 1–{max} of A-Z, a-z, 0-9 and _, and must not start with a digit.",
    _C.FORM_NAME_TAKEN: "Another part of the form has this name.",
    _C.HEADER_CARRIES_KEY: "This header carries the provider's key.",
    _C.HEADER_NAME_FORMAT: "Must be a valid HTTP header name.",
    _C.HEADER_RESERVED: "PhotoChanger sets this header itself.",
    _C.HEADER_VALUE_FORMAT: "Must be printable ASCII, as it is sent in a header.",
    _C.HEDGE_WITHOUT_SECOND_ENTRY: "Hedging requires a second route entry.",
    _C.INVALID: "{message}",
    _C.KEY_FORMAT: "Must be 1–{max} printable ASCII characters on one line, without spaces around them.",
    _C.LAST_ADMINISTRATOR: "The last administrator with all permissions cannot be disabled. Add another one first.",
    _C.LENGTH_OUT_OF_RANGE: "Must be {min} to {max} characters long.",
    _C.NAME_FORMAT: "Must be 1–{max} printable characters on one line.",
    _C.NOT_ONE_OF: "Must be one of: {allowed}.",
    _C.OPERATION_UNKNOWN: "The provider {provider} has no operation {operation}.",
    _C.OUT_OF_RANGE: "Must be between {min} and {max}.",
    _C.PATTERN: "Must match the pattern {pattern}.",
    _C.PROMPT_FIELD_UNKNOWN: "{{field}} is not one of the prompt fields.",
    _C.PROVIDER_NOT_CONFIGURABLE: "The provider {provider} is unknown or takes no key and no limits.",
    _C.PROVIDER_UNKNOWN: "Unknown provider: {provider}.",
    _C.RANGE_EMPTY: "The range must end after it starts.",
    _C.RANGE_TOO_LONG: "The range must be at most {days} days long.",
    _C.REQUIRED: "This field is required.",
    _C.ROUTE_EMPTY: "The route has no entry.",
    _C.SEARCH_TEXT_FORMAT: "Must be at most {max} characters, without NUL and half surrogates.",
    _C.SLOT_UNKNOWN: "Unknown slot: {slot}.",
    _C.TEMPLATE_NOT_FOUND: "Template not found.",
    _C.TEMPLATE_ROLE_UNKNOWN: "No route entry uses a template {role}. Must be one of: {allowed}.",
    _C.TEMPLATES_NOT_SUPPORTED: "No route entry uses templates.",
    _C.TIME_ZONE_REQUIRED: "Must have a time zone, such as Z at the end.",
    _C.TIME_ZONE_UNKNOWN: "Must be an IANA time zone, such as Europe/Berlin.",
    _C.TOO_EARLY: "Must not be before {min}.",
    _C.TOO_FAR_AHEAD: "Must be at most {days} days from now.",
    _C.TOO_LARGE: "Must be at most {max}.",
    _C.TOO_LONG: "Must be at most {max} characters long.",
    _C.TOO_MANY: "Must have at most {max} entries.",
    _C.TOO_SMALL: "Must be at least {min}.",
    _C.TOO_SHORT: "Must be at least {min} characters long.",
    _C.UNKNOWN_FIELD: "Unknown field.",
    _C.UNKNOWN_PARAMETER: "Unknown parameter.",
    _C.URL_FORMAT: "Must be an http or https URL with a host, without user name and password.",
    _C.USERNAME_FORMAT: "Must be 1–{max} of a-z, 0-9, . _ @ -, and must start with a letter or a digit.",
    _C.WRONG_TYPE: "Must be {expected}.",
    _C.YEAR_OUT_OF_RANGE: "The year must be between {min} and {max}.",
}

TYPES: Mapping[str, str] = {
    "object": "a JSON object",
    "array": "a list",
    "string": "a text",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "uuid": "a UUID",
    "date-time": "a date and time, such as 2026-05-01T18:00:00Z",
    "null": "null",
}
"""The values of `expected` of the code `wrong_type`, and how a sentence names them."""

_PARAMETER = re.compile(r"\{(\w+)\}")


class FieldError(msgspec.Struct, frozen=True):
    """One field that was refused. `field` is its path, such as `route.0.settings.look`; empty for the whole value."""

    field: str
    code: FieldErrorCode
    params: dict[str, Any] = {}

    @property
    def message(self) -> str:
        """The English sentence of the code."""
        return _PARAMETER.sub(lambda match: _text(match[1], self.params.get(match[1])), SENTENCES[self.code])

    def below(self, place: str) -> FieldError:
        """The same error with its field at a place inside a larger document."""
        return FieldError(below(place, self.field), self.code, self.params)

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message


def below(place: str, name: str) -> str:
    """The path of a field of a value that lies at `place`; either may be empty."""
    return f"{place}.{name}" if place and name else place or name


def parameters(code: FieldErrorCode) -> tuple[str, ...]:
    """The names of the parameters that the sentence of a code uses."""
    return tuple(_PARAMETER.findall(SENTENCES[code]))


def _text(name: str, value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(str(item) for item in value)
    if isinstance(value, float):
        return f"{value:.15g}"
    return TYPES.get(value, str(value)) if name == "expected" else str(value)
