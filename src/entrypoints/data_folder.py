"""The data folder: closed to the other accounts of the machine before anything is written into it."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from ..adapters.private_folder import HOME_MARKS, FolderNotPrivate, make_private
from ..core.domain.errors import ConfigurationError
from .config import PREFIX


def close_home(home: Path) -> None:
    """Make the data folder if it is missing, for this account alone. ConfigurationError, OSError."""
    close_folder(home, marks=HOME_MARKS, variable="HOME")


def close_folder(folder: Path, *, marks: Collection[str], variable: str) -> None:
    """As `make_private`, with the variable that names the folder in the error. ConfigurationError, OSError."""
    try:
        make_private(folder, marks=marks)
    except FolderNotPrivate as error:
        raise ConfigurationError(PREFIX + variable, str(error)) from error
