"""Field errors: every code has a sentence, and every kind of msgspec's errors that our structs use has a code."""

from __future__ import annotations

import enum
import re
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
import pytest
from msgspec import Meta
from photochanger.core.domain.errors import InvalidSettings
from photochanger.core.domain.field_errors import TYPES, FieldError, FieldErrorCode, below
from photochanger.core.domain.validation import parse_fields, read_fields


class Look(enum.StrEnum):
    OIL = "oil"
    COMIC = "comic"


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    count: int


class Everything(msgspec.Struct, kw_only=True):
    whole: Annotated[int, Meta(ge=1, le=10)] = 1
    optional: int | None = None
    part: Annotated[float, Meta(ge=0.5, le=2.5)] = 1.0
    text: Annotated[str, Meta(min_length=1, max_length=3)] = "a"
    word: Annotated[str, Meta(min_length=3)] = "abc"
    name: Annotated[str, Meta(pattern="^[a-z'`]+$")] = "a"
    flag: bool = False
    id: UUID | None = None
    moment: Annotated[datetime, Meta(tz=True)] | None = None
    look: Look = Look.OIL
    maybe: Literal["low", "high"] | None = None
    looks: list[Look] = []
    texts: Annotated[list[str], Meta(max_length=2)] = []
    pairs: Annotated[dict[str, Annotated[str, Meta(pattern="^[a-z]+$")]], Meta(max_length=1)] = {}
    inner: Inner | None = None
    odd: Annotated[int, Meta(multiple_of=2)] = 2


KINDS: list[tuple[str, Any, str, FieldErrorCode, dict[str, Any]]] = [
    ("whole", "x", "whole", FieldErrorCode.WRONG_TYPE, {"expected": "integer"}),
    ("whole", 1.5, "whole", FieldErrorCode.WRONG_TYPE, {"expected": "integer"}),
    ("whole", None, "whole", FieldErrorCode.WRONG_TYPE, {"expected": "integer"}),
    ("optional", "x", "optional", FieldErrorCode.WRONG_TYPE, {"expected": "integer"}),
    ("part", "x", "part", FieldErrorCode.WRONG_TYPE, {"expected": "number"}),
    ("text", 1, "text", FieldErrorCode.WRONG_TYPE, {"expected": "string"}),
    ("flag", 1, "flag", FieldErrorCode.WRONG_TYPE, {"expected": "boolean"}),
    ("id", 1, "id", FieldErrorCode.WRONG_TYPE, {"expected": "uuid"}),
    ("id", "x", "id", FieldErrorCode.WRONG_TYPE, {"expected": "uuid"}),
    ("moment", 1, "moment", FieldErrorCode.WRONG_TYPE, {"expected": "date-time"}),
    ("moment", "x", "moment", FieldErrorCode.WRONG_TYPE, {"expected": "date-time"}),
    ("moment", "2026-05-01T18:00:00", "moment", FieldErrorCode.TIME_ZONE_REQUIRED, {}),
    ("texts", {}, "texts", FieldErrorCode.WRONG_TYPE, {"expected": "array"}),
    ("texts", ["a", 1], "texts.1", FieldErrorCode.WRONG_TYPE, {"expected": "string"}),
    ("texts", ["a", "b", "c"], "texts", FieldErrorCode.TOO_MANY, {"max": 2}),
    ("pairs", [], "pairs", FieldErrorCode.WRONG_TYPE, {"expected": "object"}),
    ("pairs", {"a": "b", "c": "d"}, "pairs", FieldErrorCode.TOO_MANY, {"max": 1}),
    ("pairs", {"a": "1"}, "pairs", FieldErrorCode.PATTERN, {"pattern": "^[a-z]+$"}),
    ("whole", 0, "whole", FieldErrorCode.TOO_SMALL, {"min": 1}),
    ("whole", 11, "whole", FieldErrorCode.TOO_LARGE, {"max": 10}),
    ("part", 0, "part", FieldErrorCode.TOO_SMALL, {"min": 0.5}),
    ("part", 3, "part", FieldErrorCode.TOO_LARGE, {"max": 2.5}),
    ("text", "", "text", FieldErrorCode.EMPTY, {}),
    ("text", "abcd", "text", FieldErrorCode.TOO_LONG, {"max": 3}),
    ("word", "ab", "word", FieldErrorCode.TOO_SHORT, {"min": 3}),
    ("name", "A", "name", FieldErrorCode.PATTERN, {"pattern": "^[a-z'`]+$"}),
    ("look", "cubist", "look", FieldErrorCode.NOT_ONE_OF, {"allowed": ["oil", "comic"]}),
    ("maybe", "middle", "maybe", FieldErrorCode.NOT_ONE_OF, {"allowed": ["high", "low"]}),
    ("looks", ["oil", "x"], "looks.1", FieldErrorCode.NOT_ONE_OF, {"allowed": ["oil", "comic"]}),
    ("inner", {}, "inner.count", FieldErrorCode.REQUIRED, {}),
    ("inner", {"count": 1, "more": 1}, "inner.more", FieldErrorCode.UNKNOWN_FIELD, {}),
    ("inner", {"count": "x"}, "inner.count", FieldErrorCode.WRONG_TYPE, {"expected": "integer"}),
    ("odd", 3, "odd", FieldErrorCode.INVALID, {"message": "Expected `int` that's a multiple of 2."}),
]


@pytest.mark.parametrize(("field", "value", "path", "code", "params"), KINDS)
def test_every_kind_of_msgspecs_errors_has_a_code(
    field: str, value: Any, path: str, code: FieldErrorCode, params: dict[str, Any]
) -> None:
    with pytest.raises(InvalidSettings) as refused:
        parse_fields(Everything, {field: value})
    (error,) = refused.value.errors
    found = {
        name: sorted(one) if code is FieldErrorCode.NOT_ONE_OF and field == "maybe" else one
        for name, one in error.params.items()
    }
    assert (error.field, error.code, found) == (path, code, params)
    assert set(error.params) == set(code.parameters)
    assert "{" not in error.message


def test_missing_and_unknown_fields_are_named() -> None:
    _, errors = read_fields(Inner, {"more": 1}, at="route.0")
    assert errors == [
        FieldError("route.0.more", FieldErrorCode.UNKNOWN_FIELD),
        FieldError("route.0.count", FieldErrorCode.REQUIRED),
    ]
    assert [str(error) for error in errors] == [
        "route.0.more: Unknown field.",
        "route.0.count: This field is required.",
    ]


def test_a_value_that_is_not_an_object_is_one_error() -> None:
    _, errors = read_fields(Inner, [], at="route.0")
    assert [(error.field, error.message) for error in errors] == [("route.0", "Must be a JSON object.")]


def test_every_code_has_a_sentence_that_is_complete() -> None:
    for code in FieldErrorCode:
        message = FieldError("field", code, dict.fromkeys(code.parameters, "x")).message
        assert not re.search(r"\{(?!x\})", message)
        assert code is FieldErrorCode.INVALID or message.endswith(".")


def test_a_sentence_is_made_from_the_parameters() -> None:
    def message(code: FieldErrorCode, **params: Any) -> str:
        return FieldError("", code, params).message

    assert message(FieldErrorCode.OUT_OF_RANGE, min=1, max=10) == "Must be between 1 and 10."
    assert message(FieldErrorCode.OUT_OF_RANGE, min=1 / 60, max=2.0) == "Must be between 0.0166666666666667 and 2."
    assert message(FieldErrorCode.NOT_ONE_OF, allowed=["a", "b"]) == "Must be one of: a, b."
    assert {message(FieldErrorCode.WRONG_TYPE, expected=name) for name in TYPES} >= {"Must be a JSON object."}


def test_a_parameter_is_text_and_never_a_template() -> None:
    error = FieldError("", FieldErrorCode.PROVIDER_UNKNOWN, {"provider": "{provider}{0}"})
    assert error.message == "Unknown provider: {provider}{0}."


def test_an_error_moves_below_a_place() -> None:
    error = FieldError("look", FieldErrorCode.REQUIRED)
    assert error.below("route.0.settings").field == "route.0.settings.look"
    assert FieldError("", FieldErrorCode.REQUIRED).below("route").field == "route"
    assert below("", "name") == "name"
