"""Run as a child: many large files stored at the same time; prints the most bytes of memory that the process had."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import msgspec
from photochanger.adapters.s3.settings import S3Bounds, S3Settings
from photochanger.adapters.s3.store import S3MediaStore
from photochanger.core.domain.media import MediaKind

_CHUNK = bytes(range(256)) * 256
_LONG = timedelta(minutes=10)
_PATIENT = S3Bounds(connect=_LONG, call=_LONG, inactivity=_LONG, cleaning=_LONG)
"""Bounds of time that no busy machine exceeds; those of memory are the usual ones."""


async def _file(size_bytes: int) -> AsyncIterator[bytes]:
    for _ in range(size_bytes // len(_CHUNK)):
        yield _CHUNK
        await asyncio.sleep(0)


async def _store_files(settings: S3Settings, files: int, size_bytes: int) -> int:
    async with S3MediaStore.connect(settings, bounds=_PATIENT) as store:
        async with asyncio.TaskGroup() as group:
            for number in range(files):
                name = f"file-{number}"
                group.create_task(store.put(MediaKind.RESULTS, name, _file(size_bytes), max_bytes=size_bytes))
        return _peak_bytes()


def _peak_bytes() -> int:
    """The most memory that this program has had; `getrusage` has that of the parent in it."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024  # type: ignore[index]


if __name__ == "__main__":
    settings = msgspec.json.decode(sys.argv[1], type=S3Settings)
    print(asyncio.run(_store_files(settings, int(sys.argv[2]), int(sys.argv[3]))))
