"""Adapters that fail on demand."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any


class FaultInjector:
    """An adapter whose methods fail on demand: one named in `faults` raises that error ("*" names all).

    Every call takes a turn of the event loop, as a call to a real adapter does.
    """

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.faults: dict[str, BaseException] = {}
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.inner, name)
        if not inspect.ismethod(method):
            return method

        def called(*args: Any, **kwargs: Any) -> Any:
            self.calls.append(name)
            self._raise(name)
            return method(*args, **kwargs)

        async def called_and_awaited(*args: Any, **kwargs: Any) -> Any:
            self.calls.append(name)
            await asyncio.sleep(0)
            self._raise(name)
            return await method(*args, **kwargs)

        return called_and_awaited if inspect.iscoroutinefunction(method) else called

    def _raise(self, name: str) -> None:
        error = self.faults.get(name) or self.faults.get("*")
        if error is not None:
            raise error
