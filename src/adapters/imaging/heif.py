"""HEIC/HEIF by libheif, for pictures that were checked."""

from __future__ import annotations

import io
from importlib.util import find_spec
from typing import TYPE_CHECKING

from ...core.domain.errors import UnsupportedMediaType
from .checked import CheckedPicture

if TYPE_CHECKING:
    import pillow_heif


def require_heif() -> None:
    """Raise UnsupportedMediaType without the extra `heif`; loads nothing."""
    if find_spec("pillow_heif") is None:
        raise UnsupportedMediaType('HEIC/HEIF pictures need the extra "heif": pip install "photochanger[heif]".')


def open_heif(picture: CheckedPicture) -> pillow_heif.HeifFile:
    """Open a HEIC/HEIF picture; pixels are decoded on demand.

    Raises ValueError, EOFError, RuntimeError, SyntaxError or OSError for a damaged file, UnsupportedMediaType without
    the extra `heif`.
    """
    require_heif()
    import pillow_heif

    return pillow_heif.open_heif(io.BytesIO(picture.data), convert_hdr_to_8bit=True)
