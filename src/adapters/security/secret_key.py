"""The service's own secret, which seals the others: generated once and kept in a file."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable
from pathlib import Path

from ...core.ports.secrets import MIN_SECRET_CHARS, SecretKeyUnavailable
from ..atomic_file import atomic_file
from ..private_folder import HOME_MARKS, FolderNotPrivate, close_file, make_private

_GENERATED_BYTES = 48
_MAX_FILE_BYTES = 64 * 1024


def kept_secret(path: Path) -> Callable[[], str]:
    """A function that reads the secret in this file, and creates the file (mode 0600) if it is missing.

    If several processes create it at the same time, all of them use the secret of one. Missing folders are created for
    the owner only, and other accounts lose their access to the file. The function raises SecretKeyUnavailable.
    """

    def read() -> str:
        try:
            if not path.exists():
                _create(path)
            with path.open("rb") as file:
                close_file(file.fileno())
                secret = file.read(_MAX_FILE_BYTES).decode("ascii").strip()
        except FolderNotPrivate as error:
            raise SecretKeyUnavailable(
                f"Cannot create {path.name}: its folder is open to other accounts. Close it with chmod 700, or set "
                "PHOTOCHANGER_SECRET_KEY."
            ) from error
        except (OSError, ValueError) as error:
            reason = (isinstance(error, OSError) and error.strerror) or "it is not text"
            raise SecretKeyUnavailable(
                f"Cannot read or create {path.name}: {reason}. Fix its permissions, or set PHOTOCHANGER_SECRET_KEY."
            ) from error
        if len(secret) < MIN_SECRET_CHARS:
            raise SecretKeyUnavailable(f"The secret in {path.name} must have at least {MIN_SECRET_CHARS} characters.")
        return secret

    return read


def _create(path: Path) -> None:
    make_private(path.parent, marks=HOME_MARKS)
    # Where another process was first, its secret is used.
    with contextlib.suppress(FileExistsError), atomic_file(path, replace=False) as file:
        file.write(secrets.token_urlsafe(_GENERATED_BYTES).encode() + b"\n")
