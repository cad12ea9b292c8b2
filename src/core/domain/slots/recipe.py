"""Recipes: ready prompts with settings and a local fallback, from which a slot can be started."""

from __future__ import annotations

from typing import Literal

import msgspec

from .slot import RouteEntry

PROMPT = "prompt"
"""The setting of a service that takes the recipe's prompt."""

Language = Literal["en", "ru"]


class Texts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A text in the languages of the page."""

    en: str
    ru: str

    def text(self, language: Language) -> str:
        return self.ru if language == "ru" else self.en


class Recipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A recipe.

    Attributes:
        services: operations that can follow the prompt, the recommended one first, with settings but without the
            prompt; a slot uses one of them.
        fallback: the step after it, which works on this machine and needs no key.
    """

    id: str
    name: Texts
    description: Texts
    prompt: Texts
    services: tuple[RouteEntry, ...]
    fallback: RouteEntry

    def steps(self, language: Language) -> tuple[RouteEntry, ...]:
        """Return the services with the prompt: each can be the first step of a slot."""
        prompt = {PROMPT: self.prompt.text(language)}
        return tuple(
            RouteEntry(service.provider_id, service.operation_id, prompt | service.settings)
            for service in self.services
        )
