"""`GET /api/recipes`: ready prompts with settings and a local fallback to start a slot from."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from litestar import Request, get
from litestar.types import ASGIApp

from .....core.domain.accounts import Permission
from .....core.domain.slots.recipe import Language, Recipe
from .....core.domain.slots.slot import RouteEntry
from .....core.services.slots.recipes import shipped_recipes
from ...protocol.etag import tagged_response
from ...protocol.query import read_query


class RecipeQuery(msgspec.Struct, frozen=True):
    """The language of the texts."""

    language: Language = "en"


class RecipeBody(msgspec.Struct, kw_only=True):
    """A recipe in one language. `steps`: the services with the prompt, of which a slot uses one."""

    id: str
    name: str
    description: str
    prompt: str
    steps: tuple[RouteEntry, ...]
    fallback: RouteEntry


@get("/api/recipes", opt={"access": Permission.SLOTS_READ})
async def list_recipes(request: Request[Any, Any, Any]) -> ASGIApp:
    """The recipes."""
    language = read_query(request, RecipeQuery).language
    recipes = await asyncio.to_thread(shipped_recipes)
    return tagged_response(request, {"items": [_body(recipe, language) for recipe in recipes]})


def _body(recipe: Recipe, language: Language) -> RecipeBody:
    return RecipeBody(
        id=recipe.id,
        name=recipe.name.text(language),
        description=recipe.description.text(language),
        prompt=recipe.prompt.text(language),
        steps=recipe.steps(language),
        fallback=recipe.fallback,
    )
