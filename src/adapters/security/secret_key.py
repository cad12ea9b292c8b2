"""The service's own secret, which seals the others: from the configuration, else made once and kept in a file."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from ...core.ports.secrets import MIN_SECRET_CHARS, SecretKeyUnavailable

_GENERATED_BYTES = 48


def kept_secret(path: Path) -> Callable[[], str]:
    """A function that reads the secret of this file, and makes the file (mode 0600) where it is not there yet.

    The file appears whole or not at all, and of processes that make it together one wins and all read that one. Folders
    that are missing are made for the owner alone; the mode of those that are there is left as it is.
    The function raises SecretKeyUnavailable.
    """

    def read() -> str:
        try:
            if not path.exists():
                _make(path)
            secret = path.read_text("ascii").strip()
        except (OSError, ValueError) as error:
            why = (isinstance(error, OSError) and error.strerror) or "it is no text"
            raise SecretKeyUnavailable(
                f"The secret in {path.name} can neither be read nor made: {why}. Mend that, or set"
                " PHOTOCHANGER_SECRET_KEY."
            ) from error
        if len(secret) < MIN_SECRET_CHARS:
            raise SecretKeyUnavailable(f"The secret in {path.name} has less than {MIN_SECRET_CHARS} characters.")
        return secret

    return read


def _make(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    half_written = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(half_written, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(_GENERATED_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):  # another process was first: its secret holds
            os.link(half_written, path)
    finally:
        half_written.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
