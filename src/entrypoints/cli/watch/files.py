"""Files of a watched folder: checksums, names that are free, moves, and one process for each folder.

Written for Windows and for shares as well: no file is replaced, and where hard links are impossible a rename is used.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from ....core.domain.errors import ConfigurationError

LOCK_NAME = ".photochanger.lock"

_CHUNK_BYTES = 1024 * 1024


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal. OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def place(file: Path, folder: Path, *, stem: str, suffix: str) -> Path:
    """Give a file the name `stem` + `suffix` in `folder`, with a number where that name is taken. OSError."""
    for target in free_names(folder, stem=stem, suffix=suffix):
        try:
            rename_new(file, target)
        except FileExistsError:
            continue
        return target
    raise AssertionError("unreachable")


def free_names(folder: Path, *, stem: str, suffix: str) -> Iterator[Path]:
    """Yield the paths that may be tried for a new file: `photo.jpg`, `photo-2.jpg`, `photo-3.jpg` …"""
    for number in itertools.count(1):
        path = folder / f"{stem}{'' if number == 1 else f'-{number}'}{suffix}"
        if not path.exists():
            yield path


def write_part(folder: Path, data: bytes) -> Path:
    """Write a durable file under a temporary name, which starts with a dot. OSError, without leaving it."""
    part = folder / f".photochanger-{secrets.token_hex(8)}.part"
    try:
        with part.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        part.unlink(missing_ok=True)
        raise
    return part


def remove_parts(folder: Path) -> None:
    """Delete temporary files that an earlier process left. OSError."""
    for part in folder.glob(".photochanger-*.part"):
        part.unlink(missing_ok=True)


@contextlib.contextmanager
def only_process(folder: Path) -> Iterator[None]:
    """Keep other processes of this machine from watching the same folder. ConfigurationError if one does.

    The lock ends with the process. Shares on which files cannot be locked are watched without.
    """
    try:
        file = (folder / LOCK_NAME).open("ab")
    except OSError as error:
        detail = f"{folder} is not writable ({error.strerror or type(error).__name__})"
        raise ConfigurationError("FOLDER", detail) from error
    with file:
        if not _lock(file):
            raise ConfigurationError("FOLDER", f"{folder} is watched by another process; stop that one first")
        yield


def rename_new(file: Path, target: Path) -> None:
    """Rename without replacing, or change nothing. FileExistsError, OSError."""
    try:
        os.link(file, target)
    except OSError:
        # No hard links here, or the name is taken. Windows refuses to replace.
        if target.exists():
            raise FileExistsError(target) from None
        file.rename(target)
        return
    try:
        file.unlink()
    except OSError:
        target.unlink()
        raise


def _lock(file: IO[bytes]) -> bool:
    """Lock an open file until it is closed. False if another process has locked it."""
    try:
        import fcntl
    except ImportError:
        return _lock_on_windows(file)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _lock_on_windows(file: IO[bytes]) -> bool:
    import msvcrt

    try:
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
    except OSError:
        return False
    return True
