"""Query strings: typed, field by field, and nothing in them that is not known; and the positions of pages as text."""

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

from ....core.domain.errors import InvalidRequest
from ....core.domain.pagination import Position

_T = TypeVar("_T", bound=msgspec.Struct)
_E = TypeVar("_E", bound=enum.StrEnum)

MAX_PAGE = 200
DEFAULT_PAGE = 50

Limit = Annotated[int, msgspec.Meta(ge=1, le=MAX_PAGE)]
Cursor = Annotated[str, msgspec.Meta(max_length=200)]

# Text that a PostgreSQL text can be compared with, of a length that somebody could mean.
_SEARCHABLE = re.compile(r"[^\x00\ud800-\udfff]{0,200}\Z")

# Numbers would be taken for seconds since 1970.
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt ]")


def read_query(request: Request[Any, Any, Any], kind: type[_T]) -> _T:
    """The query parameters as this struct. InvalidRequest names every one that does not fit."""
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    values: dict[str, Any] = {}
    errors: list[tuple[str, str]] = []
    for name, given in request.query_params.dict().items():
        field = fields.get(name)
        if field is None:
            errors.append((name[:64], "There is no such parameter."))
        elif len(given) > 1:
            errors.append((name, "This parameter is there more than once."))
        elif not _SEARCHABLE.match(given[0]):
            errors.append((name, "This is too long, or holds characters that no value has."))
        elif _given(field.type) is datetime and not _MOMENT.match(given[0]):
            errors.append((name, "This is no moment, such as 2026-05-01T18:00:00Z."))
        else:
            try:
                values[field.name] = msgspec.convert(given[0], _given(field.type), strict=False)
            except msgspec.ValidationError as error:
                errors.append((name, str(error)))
    errors += [(name, "This parameter is needed.") for name, field in fields.items() if _missing(field, values)]
    if errors:
        told = "; ".join(f"{name}: {what}" for name, what in errors)
        raise InvalidRequest(f"The query cannot be used: {told}", errors=tuple(errors))
    return kind(**values)


def _given(kind: Any) -> Any:
    """The type of a parameter that is there: None is what it is when it is not, and no text means that."""
    if not isinstance(kind, UnionType):
        return kind
    (given,) = (one for one in get_args(kind) if one is not NoneType)
    return given


def _missing(field: msgspec.structs.FieldInfo, values: dict[str, Any]) -> bool:
    return field.required and field.name not in values


def cursor_of(position: Position | None) -> str | None:
    """The position as the text that a client sends back to get the next page."""
    if position is None:
        return None
    text = f"{position.at.isoformat()} {position.id}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def position_of(cursor: str | None) -> Position | None:
    """The position that such a text stands for; InvalidRequest for any other text."""
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
        raise InvalidRequest(
            "The cursor is none that a page of this list gave.", errors=(("cursor", "It is not a cursor."),)
        ) from None


def several(text: str | None, kind: type[_E], *, name: str) -> tuple[_E, ...]:
    """The values of a parameter that holds one or several with commas between; none where it is not there.

    InvalidRequest for a value that there is not.
    """
    try:
        return () if text is None else tuple(kind(value.strip()) for value in text.split(","))
    except ValueError:
        told = f"Each is one of {', '.join(kind)}."
        raise InvalidRequest(f"The query cannot be used: {name}: {told}", errors=((name, told),)) from None
