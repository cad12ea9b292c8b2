"""Long lists page by page: a page begins after a position, so that what is added meanwhile moves nothing."""

from __future__ import annotations

from datetime import datetime
from typing import Generic, TypeVar
from uuid import UUID

import msgspec

T = TypeVar("T")


class Position(msgspec.Struct, frozen=True):
    """A place in a list that is sorted by a moment and, within it, by id."""

    at: datetime
    id: UUID


class Page(msgspec.Struct, Generic[T], frozen=True):
    """Some of a list, and where the next page begins; None at the list's end."""

    items: tuple[T, ...]
    next: Position | None = None
