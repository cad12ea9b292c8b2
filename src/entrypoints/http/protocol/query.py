"""Query strings as typed structs, field by field, and positions of pages as cursors."""

from __future__ import annotations

import base64
import enum
import re
from datetime import datetime
from types import NoneType, UnionType
from typing import Annotated, Any, TypeVar, get_args
from uuid import UUID

import msgspec
from litestar import Request

from ....core.domain.errors import invalid_query
from ....core.domain.field_errors import FieldError, FieldErrorCode
from ....core.domain.pagination import Position
from ....core.domain.validation import field_error, fields_of

_T = TypeVar("_T", bound=msgspec.Struct)
_E = TypeVar("_E", bound=enum.StrEnum)

MAX_PAGE = 200
DEFAULT_PAGE = 50

Limit = Annotated[int, msgspec.Meta(ge=1, le=MAX_PAGE)]
Cursor = Annotated[str, msgspec.Meta(max_length=200)]

_MAX_TEXT_CHARS = 200
# Text that PostgreSQL can compare with.
_SEARCHABLE = re.compile(r"[^\x00\ud800-\udfff]{0,200}\Z")

# msgspec would take numbers for seconds since 1970.
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt ]")


def read_query(request: Request[Any, Any, Any], kind: type[_T]) -> _T:
    """The query parameters as this struct. InvalidRequest names every one that is not valid."""
    fields = fields_of(kind)
    values: dict[str, Any] = {}
    errors: list[FieldError] = []
    given_values = request.query_params.dict()
    for name, given in given_values.items():
        field = fields.get(name)
        if field is None:
            errors.append(FieldError(name[:64], FieldErrorCode.UNKNOWN_PARAMETER))
        elif len(given) > 1:
            errors.append(FieldError(name, FieldErrorCode.DUPLICATE_PARAMETER))
        elif not _SEARCHABLE.match(given[0]):
            errors.append(FieldError(name, FieldErrorCode.SEARCH_TEXT_FORMAT, {"max": _MAX_TEXT_CHARS}))
        elif _given(field.type) is datetime and not _MOMENT.match(given[0]):
            errors.append(FieldError(name, FieldErrorCode.WRONG_TYPE, {"expected": "date-time"}))
        else:
            try:
                values[field.name] = msgspec.convert(given[0], _given(field.type), strict=False)
            except msgspec.ValidationError as error:
                errors.append(field_error(name, _given(field.type), error))
    errors += [
        FieldError(name, FieldErrorCode.REQUIRED)
        for name, field in fields.items()
        if field.required and name not in given_values
    ]
    if errors:
        raise invalid_query(errors)
    return kind(**values)


def _given(kind: Any) -> Any:
    """The type of a parameter that is present: None stands for an absent one, and no text means None."""
    if not isinstance(kind, UnionType):
        return kind
    (given,) = (one for one in get_args(kind) if one is not NoneType)
    return given


def cursor_of(position: Position | None) -> str | None:
    """The position as the cursor of the next page."""
    if position is None:
        return None
    text = f"{position.at.isoformat()} {position.id}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def position_of(cursor: str | None) -> Position | None:
    """The position of a cursor; InvalidRequest for any other text."""
    if cursor is None:
        return None
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
        at, _, id = text.partition(" ")
        moment = datetime.fromisoformat(at)
        if moment.tzinfo is None:
            raise ValueError("a position has a time zone")
        return Position(moment, UUID(id))
    except ValueError:
        raise invalid_query([FieldError("cursor", FieldErrorCode.CURSOR_UNKNOWN)]) from None


def several(text: str | None, kind: type[_E], *, name: str) -> tuple[_E, ...]:
    """The values of a comma-separated parameter; none if it is absent. InvalidRequest for an unknown value."""
    try:
        return () if text is None else tuple(kind(value.strip()) for value in text.split(","))
    except ValueError:
        allowed = [value.value for value in kind]
        raise invalid_query([FieldError(name, FieldErrorCode.NOT_ONE_OF, {"allowed": allowed})]) from None
