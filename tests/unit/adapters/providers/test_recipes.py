"""The shipped recipes: each fits the schemas of the providers, and its fallback makes a picture without any service."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, get_args

import jsonschema
import pytest
from photochanger.adapters.providers.bfl.provider import BflProvider
from photochanger.adapters.providers.fal.provider import FalProvider
from photochanger.adapters.providers.gemini.provider import GeminiProvider
from photochanger.adapters.providers.local.provider import LocalProvider
from photochanger.adapters.providers.openai.provider import OpenAIProvider
from photochanger.adapters.providers.replicate.provider import ReplicateProvider
from photochanger.core.domain.media import Picture
from photochanger.core.domain.slots.recipe import PROMPT, Language, Recipe
from photochanger.core.domain.slots.slot import RouteEntry, shipped_slots
from photochanger.core.ports.provider import Provider
from photochanger.core.services.slots.recipes import shipped_recipes
from photochanger.core.services.slots.validation import broken_rules, read_document

from tests.support import photos
from tests.support.evening import demo_photo
from tests.support.picture_work import InProcess
from tests.support.standins.calls import FixedContext, provider_request

pytestmark = pytest.mark.anyio

REMOTE = (BflProvider, FalProvider, GeminiProvider, OpenAIProvider, ReplicateProvider)
LOCAL = LocalProvider(InProcess())
PROVIDERS: dict[str, Provider] = {
    provider.info.id: provider for provider in (LOCAL, *(make(FixedContext()) for make in REMOTE))
}
RECIPES = shipped_recipes()
LANGUAGES: tuple[Language, ...] = get_args(Language)

each_recipe = pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.id)


def schema_of(entry: RouteEntry) -> dict[str, Any]:
    operation = PROVIDERS[entry.provider_id].info.operation(entry.operation_id)
    assert operation is not None
    assert entry.provider_id == "local" or PROMPT in operation.prompts
    return operation.settings_schema


def test_there_are_ten_with_names_and_looks_of_their_own() -> None:
    assert len(RECIPES) == len({recipe.id for recipe in RECIPES}) == 10
    assert len({(recipe.fallback.operation_id, str(recipe.fallback.settings)) for recipe in RECIPES}) == 10
    for language in LANGUAGES:
        assert len({recipe.name.text(language) for recipe in RECIPES}) == 10
        assert len({recipe.prompt.text(language) for recipe in RECIPES}) == 10


@each_recipe
def test_a_recipe_fits_the_schemas_of_the_providers(recipe: Recipe) -> None:
    (before, *_) = shipped_slots()
    assert recipe.fallback.provider_id == "local"
    for language in LANGUAGES:
        steps = recipe.steps(language)
        assert len({step.provider_id for step in steps}) == len(steps) == len(REMOTE)
        for step in steps:
            assert step.settings[PROMPT] == recipe.prompt.text(language)
            route = [entry_document(entry) for entry in (step, recipe.fallback)]
            for entry in (step, recipe.fallback):
                jsonschema.Draft202012Validator(schema_of(entry)).validate(entry.settings)
            draft, errors = read_document({"name": recipe.name.text(language), "active": True, "route": route})
            assert errors + broken_rules(draft, before, providers=PROVIDERS, templates=(), now=datetime.now(UTC)) == []


def entry_document(entry: RouteEntry) -> dict[str, Any]:
    return {"provider_id": entry.provider_id, "operation_id": entry.operation_id, "settings": entry.settings}


@each_recipe
def test_each_text_is_in_its_language(recipe: Recipe) -> None:
    for texts in (recipe.name, recipe.description, recipe.prompt):
        assert texts.en.isascii()
        assert any("а" <= sign <= "я" for sign in texts.ru.lower())


@each_recipe
async def test_the_fallback_of_a_recipe_makes_a_picture_of_its_own(recipe: Recipe) -> None:
    photo = Picture(demo_photo("cat"), "image/jpeg", 451, 300)
    request = provider_request(recipe.fallback.operation_id, recipe.fallback.settings, photo=photo)
    result = await LOCAL.process(request)
    made, taken = photos.pixels(result.data), photos.pixels(photo.data)
    assert min(made.size) >= 300
    assert made.resize((16, 16)).tobytes() != taken.resize((16, 16)).tobytes()
