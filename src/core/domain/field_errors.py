"""What can be wrong with one field: a closed list of codes, each with one sentence and the parameters in it.

A client translates `code` and `params`; `message` is the English sentence made from them.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from typing import Any, Self

import msgspec

from .outside_text import cut

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


class SentenceCode(enum.StrEnum):
    """Base of codes with an English sentence; `{name}` in it is a parameter."""

    sentence: str

    def __new__(cls, code: str, sentence: str) -> Self:
        member = str.__new__(cls, code)
        member._value_ = code
        member.sentence = sentence
        return member

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the parameters in the sentence."""
        return tuple(_PARAMETER.findall(self.sentence))

    def message(self, params: Mapping[str, Any]) -> str:
        """The sentence with these parameters."""
        return _PARAMETER.sub(lambda match: _text(match[1], params.get(match[1])), self.sentence)


class FieldErrorCode(SentenceCode):
    """Why a field was refused; the same names in HTTP problems and in the texts of the page."""

    ACTIVE_WITHOUT_ROUTE = "active_without_route", "An active slot needs at least one route entry."
    ADDRESS_NOT_PUBLIC = "address_not_public", "{host} is not at a public address and not listed in {variable}."
    BACKGROUND_NOT_SUPPORTED = (
        "background_not_supported",
        "A transparent background requires output_format png or webp, not {format}.",
    )
    COMPRESSION_NOT_SUPPORTED = "compression_not_supported", "Compression applies to jpeg and webp, not to {format}."
    CURSOR_UNKNOWN = "cursor_unknown", "Must be a cursor returned by this list."
    DUPLICATE = "duplicate", "Already used; must be unique."
    DUPLICATE_PARAMETER = "duplicate_parameter", "Duplicate parameter."
    EMPTY = "empty", "Must not be empty."
    FIELD_NAME_FORMAT = "field_name_format", "Must be 1–{max} of A-Z, a-z, 0-9 and _, and must not start with a digit."
    FORM_NAME_TAKEN = "form_name_taken", "Another part of the form has this name."
    HEADER_CARRIES_KEY = "header_carries_key", "This header carries the provider's key."
    HEADER_NAME_FORMAT = "header_name_format", "Must be a valid HTTP header name."
    HEADER_RESERVED = "header_reserved", "PhotoChanger sets this header itself."
    HEADER_VALUE_FORMAT = "header_value_format", "Must be printable ASCII, as it is sent in a header."
    HEDGE_WITHOUT_SECOND_ENTRY = "hedge_without_second_entry", "Hedging requires a second route entry."
    INVALID = "invalid", "{message}"
    KEY_FORMAT = "key_format", "Must be 1–{max} printable ASCII characters on one line, without spaces around them."
    LAST_ADMINISTRATOR = (
        "last_administrator",
        "The last owner cannot be disabled or get another role. Add another owner first.",
    )
    LENGTH_OUT_OF_RANGE = "length_out_of_range", "Must be {min} to {max} characters long."
    NAME_FORMAT = "name_format", "Must be 1–{max} printable characters on one line."
    NODE_MAPPING_FORMAT = (
        "node_mapping_format",
        "Must be such as photo=10, prompt=6.text, seed=3, separated by commas. Possible: {allowed}.",
    )
    NODE_UNKNOWN = "node_unknown", "The workflow has no node {node}."
    NOT_ONE_OF = "not_one_of", "Must be one of: {allowed}."
    OPERATION_UNKNOWN = "operation_unknown", "The provider {provider} has no operation {operation}."
    OUT_OF_RANGE = "out_of_range", "Must be between {min} and {max}."
    PASSWORD_IS_USERNAME = "password_is_username", "Must not be the user name."
    PASSWORD_TOO_COMMON = "password_too_common", "Is one of the most common passwords. Choose another one."
    PASSWORD_WRONG = "password_wrong", "Must be the current password."
    PATTERN = "pattern", "Must match the pattern {pattern}."
    PROMPT_FIELD_UNKNOWN = "prompt_field_unknown", "{{field}} is not one of the prompt fields."
    PROVIDER_NOT_CONFIGURABLE = (
        "provider_not_configurable",
        "The provider {provider} is unknown or takes no key and no limits.",
    )
    PROVIDER_UNKNOWN = "provider_unknown", "Unknown provider: {provider}."
    RANGE_EMPTY = "range_empty", "The range must end after it starts."
    RANGE_TOO_LONG = "range_too_long", "The range must be at most {days} days long."
    REQUIRED = "required", "This field is required."
    ROUTE_EMPTY = "route_empty", "The route has no entry."
    SEARCH_TEXT_FORMAT = "search_text_format", "Must be at most {max} characters, without NUL and half surrogates."
    SLOT_UNKNOWN = "slot_unknown", "Unknown slot: {slot}."
    TEMPLATE_NOT_FOUND = "template_not_found", "Template not found."
    TEMPLATE_ROLE_UNKNOWN = "template_role_unknown", "No route entry uses a template {role}. Must be one of: {allowed}."
    TEMPLATES_NOT_SUPPORTED = "templates_not_supported", "No route entry uses templates."
    TIME_ZONE_REQUIRED = "time_zone_required", "Must have a time zone, such as Z at the end."
    TIME_ZONE_UNKNOWN = "time_zone_unknown", "Must be an IANA time zone, such as Europe/Berlin."
    TOO_EARLY = "too_early", "Must not be before {min}."
    TOO_FAR_AHEAD = "too_far_ahead", "Must be at most {days} days from now."
    TOO_LARGE = "too_large", "Must be at most {max}."
    TOO_LONG = "too_long", "Must be at most {max} characters long."
    TOO_MANY = "too_many", "Must have at most {max} entries."
    TOO_SMALL = "too_small", "Must be at least {min}."
    TOO_SHORT = "too_short", "Must be at least {min} characters long."
    UNKNOWN_FIELD = "unknown_field", "Unknown field."
    UNKNOWN_PARAMETER = "unknown_parameter", "Unknown parameter."
    URL_FORMAT = "url_format", "Must be an http or https URL with a host, without user name and password."
    USERNAME_FORMAT = (
        "username_format",
        "Must be 1–{max} of a-z, 0-9, . _ @ -, and must start with a letter or a digit.",
    )
    WORKFLOW_CYCLE = "workflow_cycle", "The workflow has a loop through node {node}."
    WORKFLOW_FORMAT = (
        "workflow_format",
        "Must be a workflow of ComfyUI in API format, as JSON: at most {max} nodes, each with class_type and inputs.",
    )
    WORKFLOW_LINK_BROKEN = (
        "workflow_link_broken",
        "Node {node} takes an input from node {target}, which the workflow does not have.",
    )
    WORKFLOW_MARK_AMBIGUOUS = (
        "workflow_mark_ambiguous",
        "Several nodes could be {mark}: {allowed}. Give exactly one of them the title {mark}.",
    )
    WORKFLOW_MARK_MISSING = (
        "workflow_mark_missing",
        "No node is marked as {mark}. Give one this title, or name its number in the setting nodes.",
    )
    WORKFLOW_MARK_UNFIT = "workflow_mark_unfit", "Node {node} is marked as {mark} but has no input with a value for it."
    WORKFLOW_MARK_UNKNOWN = (
        "workflow_mark_unknown",
        "Node {node} has the mark {mark}. Must be one of: {allowed}.",
    )
    WORKFLOW_PHOTO_UNUSED = (
        "workflow_photo_unused",
        "The picture of node {target} does not depend on the photo in node {node}.",
    )
    WORKFLOW_UI_FORMAT = (
        "workflow_ui_format",
        "This is the editor's own format. Save the workflow by Export (API) in ComfyUI's menu, and use that file.",
    )
    WRONG_TYPE = "wrong_type", "Must be {expected}."
    YEAR_OUT_OF_RANGE = "year_out_of_range", "The year must be between {min} and {max}."


class FieldError(msgspec.Struct, frozen=True):
    """One field that was refused. `field` is its path, such as `route.0.settings.look`; empty for the whole value."""

    field: str
    code: FieldErrorCode
    params: dict[str, Any] = {}

    @property
    def message(self) -> str:
        """The English sentence of the code."""
        return self.code.message(self.params)

    def below(self, place: str) -> FieldError:
        """The same error with its field at a place inside a larger document."""
        return FieldError(below(place, self.field), self.code, self.params)

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message


def below(place: str, name: str) -> str:
    """The path of a field of a value that lies at `place`; either may be empty."""
    return f"{place}.{name}" if place and name else place or name


def _text(name: str, value: Any) -> str:
    if isinstance(value, list | tuple):
        return cut(", ".join(cut(str(item)) for item in value))
    if isinstance(value, float):
        return f"{value:.15g}"
    return cut(TYPES.get(value, str(value)) if name == "expected" else str(value))
