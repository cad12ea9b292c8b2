"""A reading that concurrent callers share, and that is never older than its caller's question."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from ...domain.errors import PhotoChangerError

_T = TypeVar("_T")


class SharedReading(Generic[_T]):
    """What `read` returns. There is one reading at a time; a caller gets one that began after its call."""

    def __init__(self, read: Callable[[], Awaitable[_T]]) -> None:
        self._read = read
        self._one = asyncio.Lock()
        self._begun = 0
        self._ended: tuple[int, _T | PhotoChangerError] | None = None

    async def get(self) -> _T:
        """The value. Raises what `read` raises; callers who share a reading share its PhotoChangerError."""
        wanted = self._begun + 1
        async with self._one:
            if self._ended is None or self._ended[0] < wanted:
                await self._read_now()
            assert self._ended is not None
            value = self._ended[1]
        if isinstance(value, PhotoChangerError):
            raise value
        return value

    async def _read_now(self) -> None:
        self._begun += 1
        number = self._begun
        value: _T | PhotoChangerError
        try:
            value = await self._read()
        except PhotoChangerError as error:
            value = error
        self._ended = number, value
