"""`photochanger watch` on a booth: a process of its own, the folder that it watches, and its output."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.support import photos
from tests.support.http_server import PASSWORD
from tests.support.sender import Done, finished


class HotFolder:
    """A watched folder and the command."""

    def __init__(self, place: Path) -> None:
        self.folder = place / "in"
        self.output = place / "out"
        self.folder.mkdir(parents=True)

    def photo(self, name: str = "IMG_0001.JPG", data: bytes | None = None) -> Path:
        path = self.folder / name
        photos.store(path, photos.jpeg(160, 120) if data is None else data)
        return path

    def names(self, part: str = "") -> list[str]:
        """The files in a part of the folder (`done`, `failed`), or in the folder itself, without hidden ones."""
        place = self.folder / part
        return sorted(path.name for path in place.iterdir() if path.is_file() and not path.name.startswith("."))

    def pictures(self) -> list[str]:
        return sorted(path.name for path in self.output.iterdir())

    def problem(self, photo: str) -> dict[str, Any]:
        return json.loads(photos.load(self.folder / "failed" / f"{photo}.problem.json"))

    async def start(
        self, *arguments: str, url: str, slot: str = "slot-001", password: str = PASSWORD, wrapper: str | None = None
    ) -> asyncio.subprocess.Process:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PHOTOCHANGER_")}
        python = (sys.executable, "-m", "photochanger") if wrapper is None else (sys.executable, "-c", wrapper)
        command = ("watch", str(self.folder), "--output", str(self.output), "--slot", slot, "--url", url, *arguments)
        return await asyncio.create_subprocess_exec(
            *python,
            *command,
            env=kept | {"PHOTOCHANGER_INGEST_PASSWORD": password},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )

    async def once(self, *arguments: str, **options: Any) -> Done:
        """Send what is in the folder."""
        return await finished(await self.start("--once", *arguments, **options))

    @asynccontextmanager
    async def watching(self, *arguments: str, **options: Any) -> AsyncIterator[asyncio.subprocess.Process]:
        """The command until the end of the block, which it must reach without an error."""
        process = await self.start(*arguments, **options)
        try:
            yield process
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
            done = await finished(process)
        assert done.code == 0, (done.out, done.errors)
