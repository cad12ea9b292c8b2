"""Values in rows that a newer version wrote: hosts of two versions use one database during an upgrade (ADR 83)."""

from __future__ import annotations

import enum
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Self, TypeVar

import msgspec

_Read = TypeVar("_Read")

_newer_values: ContextVar[bool] = ContextVar("newer_values", default=False)
"""Whether values of newer versions are accepted; only while `from_row` reads."""


class StoredEnum(enum.StrEnum):
    """An enumeration whose values are stored in rows.

    Where `from_row` reads it, a text that is none of its values becomes a member of its own, without a name: it equals
    only that text, and is shown and written back as it is. Everywhere else such a text is refused, as from a client.
    """

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not _newer_values.get() or not isinstance(value, str):
            return None
        unknown = str.__new__(cls, value)
        unknown._name_ = ""
        unknown._value_ = value
        return unknown

    @property
    def known(self) -> bool:
        """Whether this version has the value."""
        return bool(self._name_)


def from_row(read: Callable[[Any], _Read], value: Any) -> _Read:
    """Return what `read` makes of a value of a row, which may contain values of a newer version. `read` must not wait.

    Raises what `read` raises for values that are wrong in other ways.
    """
    try:
        return read(value)
    except (ValueError, msgspec.ValidationError):
        token = _newer_values.set(True)
        try:
            return read(value)
        finally:
            _newer_values.reset(token)
