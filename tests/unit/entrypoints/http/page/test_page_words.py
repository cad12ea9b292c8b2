"""The page's dictionary of what the shipped providers say of themselves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import photochanger
import pytest
from photochanger.adapters.providers.comfyui import provider as comfyui
from photochanger.adapters.providers.gemini import provider as gemini
from photochanger.adapters.providers.local import provider as local
from photochanger.adapters.providers.openai import provider as openai
from photochanger.adapters.providers.turbotext import provider as turbotext
from photochanger.core.ports.provider import ProviderInfo

WORDS = Path(photochanger.__file__).parent / "entrypoints/http/page/static/i18n/providers.js"
NAMES = {"ComfyUI", "OpenAI", "Google Gemini", "Turbotext"}


def texts(info: ProviderInfo) -> Iterator[str]:
    """What a form of the provider's settings shows of it, but names and measures."""
    yield info.title
    for operation in info.operations:
        yield operation.title
        yield from operation.template_roles
        for rule in operation.settings_schema["properties"].values():
            yield from (rule[key] for key in ("title", "description") if key in rule)
            yield from (value for value in choices(rule) if value[0].isalpha())


def choices(rule: dict[str, Any]) -> list[str]:
    """The values that a setting can be chosen from."""
    found: list[str] = list(rule.get("enum", []))
    for one in rule.get("anyOf", []):
        found += one.get("enum", [])
    return found


@pytest.mark.parametrize(
    "module", [comfyui, gemini, local, openai, turbotext], ids=lambda module: module.__name__.split(".")[-1]
)
def test_the_page_says_every_text_of_a_shipped_provider_in_russian(module: Any) -> None:
    source = WORDS.read_text("utf-8")
    missing = [
        text
        for text in sorted({*texts(module._INFO)} - NAMES)
        if f"  {json.dumps(text)}:" not in source and f"  {text}:" not in source
    ]
    assert missing == []
