"""Whether the extra `people` is installed. Loads nothing of it."""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec

INSTALL = 'pip install "photochanger[people]"'


@lru_cache(maxsize=1)
def installed() -> bool:
    """Whether the packages of the extra `people` are importable; does not import them."""
    return all(find_spec(name) is not None for name in ("ai_edge_litert", "numpy"))
