"""docs/providers.md names the settings that operations have, with the bounds of their schemas."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from photochanger.adapters.providers.bfl.provider import BflProvider
from photochanger.adapters.providers.comfyui.provider import _INFO as COMFYUI
from photochanger.adapters.providers.fal.provider import FalProvider
from photochanger.adapters.providers.gemini.provider import GeminiProvider
from photochanger.adapters.providers.local.provider import _INFO as LOCAL
from photochanger.adapters.providers.openai.provider import OpenAIProvider
from photochanger.adapters.providers.replicate.provider import ReplicateProvider
from photochanger.adapters.providers.turbotext.provider import _INFO as TURBOTEXT
from photochanger.core.ports.provider import OperationInfo, ProviderInfo

from tests.support.standins.calls import FixedContext

GEMINI, OPENAI = (make(FixedContext()).info for make in (GeminiProvider, OpenAIProvider))
DOCUMENT = (Path(__file__).parents[4] / "docs" / "providers.md").read_text()
HOSTS = [provider(FixedContext()).info for provider in (BflProvider, FalProvider, ReplicateProvider)]
INFOS = (LOCAL, COMFYUI, GEMINI, OPENAI, TURBOTEXT, *HOSTS)
OPERATIONS = [(info.id, operation) for info in INFOS for operation in info.operations]
NOT_SETTINGS = {"prompt", "frame", "style", "face", "reference", "background"}
"""Also names of template roles."""


def section(provider_id: str) -> str:
    """The part of the document about a provider."""
    return DOCUMENT.partition(f"\n## {provider_id}")[2].partition("\n## ")[0]


def bounds(schema: dict[str, Any]) -> tuple[float, float] | None:
    """The bounds of a number, also of one that may be null."""
    for each in (schema, *schema.get("anyOf", ())):
        if "minimum" in each and "maximum" in each:
            return each["minimum"], each["maximum"]
    return None


@pytest.mark.parametrize(("provider_id", "operation"), OPERATIONS, ids=lambda value: getattr(value, "id", value))
def test_bounds_in_the_document_are_those_of_the_schema(provider_id: str, operation: OperationInfo) -> None:
    text = section(provider_id)
    row = next((line for line in text.splitlines() if line.startswith(f"| `{operation.id}`")), text)
    stated = {name: (float(low), float(high)) for name, low, high in re.findall(r"`(\w+)` \((-?\d+)–(\d+)\)", row)}
    properties = operation.settings_schema["properties"]
    assert stated.keys() <= properties.keys()
    for name, found in stated.items():
        assert bounds(properties[name]) == found, name


def test_every_number_of_a_local_operation_has_its_bounds_in_the_document() -> None:
    text = section("local")
    for operation in LOCAL.operations:
        row = next(line for line in text.splitlines() if line.startswith(f"| `{operation.id}`"))
        for name, schema in operation.settings_schema["properties"].items():
            found = bounds(schema)
            if found is not None:
                assert f"`{name}` ({found[0]}–{found[1]})" in (row if name != "max_side" else text), name


@pytest.mark.parametrize(("provider_id", "operation"), OPERATIONS, ids=lambda value: getattr(value, "id", value))
def test_every_setting_of_an_operation_is_in_the_document(provider_id: str, operation: OperationInfo) -> None:
    names = set(operation.settings_schema["properties"]) - NOT_SETTINGS - {"user_id"}
    assert {name for name in names if f"`{name}`" not in section(provider_id)} == set()


@pytest.mark.parametrize("info", HOSTS, ids=lambda info: info.id)
def test_the_document_names_the_models_of_a_host_and_its_default(info: ProviderInfo) -> None:
    text = section(info.id)
    assert [model.id for model in info.models if f"`{model.id}`" not in text] == []
    assert f"`{info.operations[0].settings_schema['properties']['model']['default']}` (default)" in text
    assert all(f"| `{operation.id}`" in section("Models of many makers") for operation in info.operations)
