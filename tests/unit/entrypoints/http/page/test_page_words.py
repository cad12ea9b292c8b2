"""The page's dictionary of what the shipped providers say of themselves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import photochanger
import pytest
from photochanger.adapters.providers.local.provider import LocalProvider
from photochanger.core.ports.provider import Provider, ProviderInfo
from photochanger.entrypoints.builtin_providers import REMOTE

from tests.support.picture_work import InProcess
from tests.support.standins.calls import FixedContext

WORDS = Path(photochanger.__file__).parent / "entrypoints/http/page/static/i18n/providers.js"
NAMES = {"Black Forest Labs", "ComfyUI", "fal", "Google Gemini", "OpenAI", "Replicate", "Turbotext"}


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


PROVIDERS = [LocalProvider(InProcess()), *(make(FixedContext()) for make in REMOTE.values())]


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.info.id)
def test_the_page_says_every_text_of_a_shipped_provider_in_russian(provider: Provider) -> None:
    source = WORDS.read_text("utf-8")
    missing = [
        text
        for text in sorted({*texts(provider.info)} - NAMES)
        if f"  {json.dumps(text)}:" not in source and f"  {text}:" not in source
    ]
    assert missing == []
