"""Work on pictures in tests: in this process, where a test replaces parts of it, or in real child processes."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from photochanger.adapters.imaging import ChildPool, ForkServer, picture_tasks
from photochanger.adapters.imaging.children import Call, Content
from photochanger.adapters.imaging.children.messages import WHOLE
from photochanger.adapters.imaging.children.shared_files import SharedFiles, write_content


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
            answer = await asyncio.to_thread(getattr(importlib.import_module(module), name), call)
        finally:
            files.close()
        later: asyncio.Future[bytes | None] | None = None
        if answer.later is not None:
            later = asyncio.get_running_loop().create_future()
            later.set_result(await asyncio.to_thread(answer.later))
        return Content(answer.header, list(answer.contents), later)


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
