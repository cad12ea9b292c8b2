"""Several things asked for at once, where a request waits for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

_A = TypeVar("_A")
_B = TypeVar("_B")


async def gather_in_order(first: Awaitable[_A], second: Awaitable[_B]) -> tuple[_A, _B]:
    """Both, as if they were awaited one after the other: where both fail, the first one's error is raised.

    Nothing is left running, also where it is cancelled.
    """
    one, other = await asyncio.gather(first, second, return_exceptions=True)
    if isinstance(one, BaseException):
        raise one
    if isinstance(other, BaseException):
        raise other
    return one, other
