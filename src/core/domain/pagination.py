"""Long lists page by page: a page starts after a position, so that new items do not shift it."""

from __future__ import annotations

from datetime import datetime
from typing import Generic, TypeVar
from uuid import UUID

import msgspec

T = TypeVar("T")


class Position(msgspec.Struct, frozen=True):
    """A position in a list that is sorted by time and then by ID."""

    at: datetime
    id: UUID


class Page(msgspec.Struct, Generic[T], frozen=True):
    """A part of a list and the position of the next page; None at the end of the list."""

    items: tuple[T, ...]
    next: Position | None = None
