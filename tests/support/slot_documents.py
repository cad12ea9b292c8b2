"""Documents of slots, and a world whose provider has strict settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
import pytest
from photochanger.core.domain.accounts import Actor
from photochanger.core.domain.errors import InvalidSettings
from photochanger.core.domain.field_errors import FieldErrorCode
from photochanger.core.domain.validation import parse_fields

from tests.support.world import SLOT, ScriptedProvider, World, chunks, picture

ADA = Actor("ada", "192.0.2.1")
NOWHERE = "01980000-0000-7000-8000-000000000000"
LOCAL = {"provider_id": "local", "operation_id": "enhance", "settings": {}}


class Settings(msgspec.Struct, frozen=True):
    look: str = "oil"
    strength: Annotated[int, msgspec.Meta(ge=0, le=100)] = 100
    prompt: str = ""


class StrictProvider(ScriptedProvider):
    """A provider that looks at its settings."""

    def check_settings(self, operation_id: str, settings: Mapping[str, Any]) -> None:
        parse_fields(Settings, settings)


def document(**fields: Any) -> dict[str, Any]:
    return {"name": "Wedding", "active": True, "route": [LOCAL]} | fields


def entry(provider_id: str = "local", operation_id: str = "enhance", **settings: Any) -> dict[str, Any]:
    return {"provider_id": provider_id, "operation_id": operation_id, "settings": settings}


async def strict_world(*providers: ScriptedProvider, **route: Any) -> World:
    world = World(StrictProvider("local"), *providers)
    await world.slot(**route)
    return world


async def field_errors(world: World, **fields: Any) -> dict[str, FieldErrorCode]:
    """The codes a document is refused with, by field."""
    with pytest.raises(InvalidSettings) as refused:
        await world.slot_service.check(SLOT, document(**fields))
    return {error.field: error.code for error in refused.value.errors}


async def bound(world: World, *setting_keys: str) -> list[dict[str, str]]:
    """Templates bound under these keys, for a document."""
    made = [await world.templates.add(chunks(picture()), name=key, by=ADA) for key in setting_keys]
    return [
        {"setting_key": key, "media_id": str(template.id)} for key, template in zip(setting_keys, made, strict=True)
    ]


# Reading
