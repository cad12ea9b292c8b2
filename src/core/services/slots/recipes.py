"""The recipes that are shipped with the package."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import msgspec

from ...domain.slots.recipe import Recipe

_SHIPPED = Path(__file__).with_name("recipes.json")


@cache
def shipped_recipes() -> tuple[Recipe, ...]:
    """The recipes, in the order in which they are shown. The first call reads a file."""
    return msgspec.json.decode(_SHIPPED.read_bytes(), type=tuple[Recipe, ...])
