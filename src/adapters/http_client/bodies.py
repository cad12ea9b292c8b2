"""Readers of bodies that arrive in pieces."""

from __future__ import annotations

from typing import Protocol, TypeVar

_T_co = TypeVar("_T_co", covariant=True)


class BodyReader(Protocol[_T_co]):
    """Takes the body of an answer as it arrives."""

    def feed(self, data: bytes) -> None:
        """Take the next piece."""
        ...

    def finish(self) -> _T_co:
        """Return what the pieces make."""
        ...


class WholeBody:
    """A BodyReader that keeps the bytes as they are."""

    def __init__(self) -> None:
        self._body = bytearray()

    def feed(self, data: bytes) -> None:
        self._body += data

    def finish(self) -> bytes:
        return bytes(self._body)
