"""Work on pictures in tests: in this process, where a test replaces parts of it, or in real child processes."""

from __future__ import annotations

import asyncio
import importlib
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar

from photochanger.adapters.imaging import ChildPool, ForkServer, picture_tasks
from photochanger.adapters.imaging.children import Answer, Call, Content
from photochanger.adapters.imaging.children.messages import WHOLE
from photochanger.adapters.imaging.children.shared_files import SharedFiles, write_content

_ONE_PICTURE = threading.Lock()
"""What libvips warns of belongs to the process: as in a child, one picture at a time is in work (ADR 53)."""

_T = TypeVar("_T")


class InProcess:
    """A TaskRunner without processes and limits: the same functions, called in a thread.

    Attributes:
        claimed: the pixels that each task has claimed.
    """

    def __init__(self) -> None:
        self.claimed: list[int] = []

    async def keep_ready(self) -> None:
        """Do nothing: there are no processes."""

    async def run(self, work: str, header: bytes, contents: Sequence[bytes | int] = ()) -> Content:
        module, _, name = work.partition(":")
        files = SharedFiles()
        sent, sizes = [], []
        for index, content in enumerate(contents):
            if isinstance(content, bytes):
                write_content(files.file(index), content)
            sent.append(files.file(index) if isinstance(content, bytes) else content)
            sizes.append(len(content) if isinstance(content, bytes) else WHOLE)
        call = Call(header, sent, sizes, self.claimed.append)
        try:
            answer: Answer = await _in_thread(partial(getattr(importlib.import_module(module), name), call))
        finally:
            files.close()
        later: asyncio.Future[bytes | None] | None = None
        if answer.later is not None:
            later = asyncio.get_running_loop().create_future()
            later.set_result(await _in_thread(answer.later))
        return Content(answer.header, list(answer.contents), later)


async def _in_thread(work: Callable[[], _T]) -> _T:
    def alone() -> _T:
        with _ONE_PICTURE:
            return work()

    return await asyncio.to_thread(alone)


@asynccontextmanager
async def children(**options: Any) -> AsyncIterator[ChildPool]:
    """Real child processes, ended with the block."""
    server = ForkServer(picture_tasks.PRELOAD)
    pool = ChildPool(server, **options)
    try:
        yield pool
    finally:
        await pool.close()
        await asyncio.to_thread(server.close)
