"""The data folder: closed to the other accounts of the machine before anything is written into it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from ..adapters.private_folder import HOME_MARKS, FolderNotPrivate, make_private
from ..core.domain.errors import ConfigurationError
from .config import PREFIX


def close_home(home: Path) -> None:
    """Make the data folder if it is missing, for this account alone. ConfigurationError, OSError."""
    with naming("HOME"):
        make_private(home, marks=HOME_MARKS)


@contextlib.contextmanager
def naming(variable: str) -> Iterator[None]:
    """Raise ConfigurationError, with the variable that names the folder, for one that cannot be closed."""
    try:
        yield
    except FolderNotPrivate as error:
        raise ConfigurationError(PREFIX + variable, str(error)) from error
