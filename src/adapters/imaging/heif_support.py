"""Whether HEIC/HEIF can be decoded here; loads no image library."""

from __future__ import annotations

from importlib.util import find_spec

from ...core.domain.errors import UnsupportedMediaType


def require_heif() -> None:
    """Raise UnsupportedMediaType without the extra `heif`."""
    if find_spec("pillow_heif") is None:
        raise UnsupportedMediaType('HEIC/HEIF pictures need the extra "heif": pip install "photochanger[heif]".')
