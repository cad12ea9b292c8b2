"""Folders and files that no other account of the machine can use."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Collection
from pathlib import Path

_log = logging.getLogger("photochanger.files")

_OTHERS = 0o077
_LOG = ".log"
"""Logs may be there before the first start: `photochanger serve 2> var/service.log`."""

HOME_MARKS = ("postgres", "media", "secret.key")
"""Names by which the data folder of the service is recognised (`make_private`)."""


class FolderNotPrivate(PermissionError):
    """Other accounts can use the folder, and it cannot be closed safely; the text says what to do."""


def make_private(folder: Path, *, marks: Collection[str] | None = None, usual: Collection[str] = ()) -> None:
    """Make the folder if it is missing, with mode 0700, and close it to other accounts if it is open to them.

    A folder is closed only where it is certainly this service's: it contains one of `marks` (None: it is certain
    without them), or nothing but logs and `usual` names. FolderNotPrivate for any other one: closing a home or a web
    site's folder would harm what else uses it. OSError.
    """
    try:
        facts = folder.stat()
    except FileNotFoundError:
        _make(folder)
        return
    if not stat.S_ISDIR(facts.st_mode):
        raise NotADirectoryError(f"{folder} is not a folder")
    if not facts.st_mode & _OTHERS:
        return
    mode = f"{stat.S_IMODE(facts.st_mode):04o}"
    if os.geteuid() not in (facts.st_uid, 0):
        raise FolderNotPrivate(
            f"{folder} belongs to another account and is open to others (mode {mode}); name a folder below it, such as "
            f"{folder / 'photochanger'}"
        )
    if marks is not None and not _is_ours(folder, marks, usual):
        raise FolderNotPrivate(
            f"{folder} is open to other accounts (mode {mode}) and contains other files; name a folder of its own, "
            f"or run: chmod 700 {folder}"
        )
    folder.chmod(0o700)
    _log.warning("%s was open to other accounts (mode %s); it is closed to them now", folder, mode)


def close_file(descriptor: int) -> None:
    """Take the access to an open file from other accounts, if it is this account's file. OSError."""
    facts = os.fstat(descriptor)
    if facts.st_mode & _OTHERS and os.geteuid() in (facts.st_uid, 0):
        os.fchmod(descriptor, stat.S_IMODE(facts.st_mode) & ~_OTHERS)


def _make(folder: Path) -> None:
    missing = [folder]
    while not missing[-1].parent.exists():
        missing.append(missing[-1].parent)
    for each in reversed(missing):
        each.mkdir(mode=0o700, exist_ok=True)


def _is_ours(folder: Path, marks: Collection[str], usual: Collection[str]) -> bool:
    with os.scandir(folder) as entries:
        strange = next((entry for entry in entries if not entry.name.endswith(_LOG) and entry.name not in usual), None)
    return strange is None or any((folder / mark).exists() for mark in marks)
