"""The ImageTool port. What decodes runs in a small thread pool, where the first call loads the image libraries."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from ...core.domain.media import ImageLimits, Picture, PictureNeeds
from .sniffing import sniff
from .streamed_header import StreamedHeader

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

    def header(self, *, limits: ImageLimits) -> StreamedHeader:
        return StreamedHeader(limits)

    async def prepare(self, path: Path, needs: PictureNeeds) -> Picture:
        return await self._run(lambda operations: operations.prepare(path, needs))

    async def normalise(self, data: bytes, *, limits: ImageLimits) -> Picture:
        return await self._run(lambda operations: operations.normalise(data, limits))

    async def preview(self, data: bytes) -> bytes:
        return await self._run(lambda operations: operations.preview(data))

    async def _run(self, work: Callable[[Any], _T]) -> _T:
        """Run in a thread, with the module of the operations."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, lambda: work(_operations()))


def _operations() -> ModuleType:
    return importlib.import_module(".operations", __package__)
