"""Files that appear complete or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def atomic_file(target: Path, *, replace: bool, mode: int = 0o600) -> Iterator[IO[bytes]]:
    """A new file, written under another name in the same folder, that appears at `target` at the end of the block.

    It is durable by then. An error in the block leaves nothing behind. Blocks. FileExistsError if `target` exists and
    is not to be replaced, OSError.
    """
    part = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode), "w+b") as file:
            yield file
            file.flush()
            publish(file.fileno(), part, target, replace=replace)
    finally:
        part.unlink(missing_ok=True)


def publish(descriptor: int, part: Path, target: Path, *, replace: bool) -> None:
    """Make the written file `part` durable and give it the name `target`. FileExistsError, OSError."""
    os.fsync(descriptor)
    if replace:
        part.replace(target)
    else:
        os.link(part, target)  # unlike a rename it fails where another file has that name
    sync_folder(target.parent)


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable. OSError."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
