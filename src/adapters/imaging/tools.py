"""The ImageTool port. Every method runs in a small thread pool, where the first call loads the image libraries."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from ...core.domain.media import ImageFacts, ImageLimits, Picture, PictureNeeds
from .sniffing import sniff

_T = TypeVar("_T")


class ImageTools:
    """An ImageTool with `threads` threads of its own; `close` ends them."""

    def __init__(self, *, threads: int = 2) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="imaging")

    def close(self) -> None:
        """Wait for running work and end the threads."""
        self._pool.shutdown(cancel_futures=True)

    def sniff(self, head: bytes) -> str | None:
        return sniff(head)

    async def inspect(self, path: Path, *, limits: ImageLimits) -> ImageFacts:
        return await self._run(lambda operations: operations.inspect(path, limits))

    async def inspect_start(self, start: bytes, *, limits: ImageLimits) -> ImageFacts | None:
        if sniff(start) != "image/jpeg":  # the other types tell only further on how many frames they have
            return None
        return await self._run(lambda operations: operations.inspect_start(start, limits))

    async def prepare(self, path: Path, needs: PictureNeeds) -> Picture:
        return await self._run(lambda operations: operations.prepare(path, needs))

    async def verify(self, data: bytes, *, limits: ImageLimits) -> Picture:
        return await self._run(lambda operations: operations.verify(data, limits))

    async def preview(self, data: bytes) -> bytes:
        return await self._run(lambda operations: operations.preview(data))

    async def _run(self, work: Callable[[Any], _T]) -> _T:
        """Run in a thread, with the module of the operations."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, lambda: work(_operations()))


def _operations() -> ModuleType:
    return importlib.import_module(".operations", __package__)
