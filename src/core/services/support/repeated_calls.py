"""Patience with the database where a person waits: a call that fails for an outage is repeated for a while.

A request says once how long it waits (`waiting_for_database`). That holds for everything it does, so that neither
handlers nor services know of it.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta
from typing import Any, TypeVar

from ...domain.errors import ChangeUnconfirmed, QueueUnavailable
from ...ports.clock import Clock
from .availability import UntilAvailable

_T = TypeVar("_T")


class DatabasePatience:
    """Repeats calls while the queue is unavailable, for `length` from the first failure on; then QueueUnavailable.

    A call under way at that moment is not cancelled: it may be about to store something. Each has a limit of its own.
    """

    def __init__(self, clock: Clock, length: timedelta) -> None:
        self._clock = clock
        self._length = length
        self._available: UntilAvailable | None = None

    async def __call__(self, call: Callable[[], Awaitable[_T]]) -> _T:
        """The result of the call. ChangeUnconfirmed is raised at once."""
        try:
            return await call()
        except ChangeUnconfirmed:
            raise
        except QueueUnavailable:
            now = self._clock.now()
            if self._available is None:
                self._available = UntilAvailable(self._clock, now + self._length, outlasts=True)
            if now >= self._available.until:
                raise
        return await self._available(call)


_patience: ContextVar[DatabasePatience | None] = ContextVar("patience", default=None)


@contextmanager
def waiting_for_database(clock: Clock, length: timedelta) -> Iterator[None]:
    """Repeat the calls of every `RepeatedCalls` within the block, and in the tasks that are started there."""
    token = _patience.set(DatabasePatience(clock, length))
    try:
        yield
    finally:
        _patience.reset(token)


def current_patience() -> DatabasePatience | None:
    """What repeats calls here; None where they are not repeated."""
    return _patience.get()


class RepeatedCalls:
    """An adapter of the database whose methods are repeated while `waiting_for_database`, else called once.

    After QueueUnavailable a method has done nothing, or does the same again without harm. Where that is not known it
    raises ChangeUnconfirmed.
    """

    def __init__(self, adapter: object) -> None:
        self._adapter = adapter

    def __repr__(self) -> str:
        return f"RepeatedCalls({self._adapter!r})"

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._adapter, name)
        if not inspect.iscoroutinefunction(method):
            return method

        @functools.wraps(method)
        async def call(*arguments: Any, **named: Any) -> Any:
            once = functools.partial(method, *arguments, **named)
            patience = current_patience()
            return await (once() if patience is None else patience(once))

        setattr(self, name, call)
        return call
