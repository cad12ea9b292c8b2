"""The settings as administrators read and write them; passwords and keys are write-only."""

from __future__ import annotations

from typing import Any

from dishka.integrations.litestar import FromDishka, inject
from litestar import Request, get, put
from litestar.response.base import ASGIResponse
from litestar.types import ASGIApp

from ....core.domain.accounts import Permission
from ....core.domain.validation import FieldError
from ....core.services.providers.api_keys import KEY_RULE, ProviderKeys, is_key
from ....core.services.providers.registry import ProviderRegistry
from ....core.services.settings.service import SettingsService
from ..auth.access import actor_of
from ..protocol.etag import expected_version, tagged_response, version_tag
from ..protocol.json_body import read_json


@get("/api/settings", opt={"access": Permission.SETTINGS_READ})
@inject
async def get_settings(
    request: Request[Any, Any, Any], settings: FromDishka[SettingsService], keys: FromDishka[ProviderKeys]
) -> ASGIApp:
    """The current settings, and which of them an administrator has set."""
    return await _answer(request, settings, keys)


@put("/api/settings", opt={"access": Permission.SETTINGS_WRITE})
@inject
async def put_settings(
    request: Request[Any, Any, Any],
    settings: FromDishka[SettingsService],
    provider_keys: FromDishka[ProviderKeys],
    providers: FromDishka[ProviderRegistry],
) -> ASGIApp:
    """Change what the body names; null restores the default."""
    version = expected_version(request)
    document = await read_json(request)
    keys, troubles = _keys(document.pop("provider_keys", {}), providers)
    by = actor_of(request)
    changed = await settings.change(document, expected_version=version, by=by, beside=troubles)
    if keys and not changed:
        await settings.take_version(version)
    for provider_id, key in keys.items():
        if key is None:
            await provider_keys.forget(provider_id, by=by)
        else:
            await provider_keys.set(provider_id, key, by=by)
    return await _answer(request, settings, provider_keys)


def _keys(given: object, providers: ProviderRegistry) -> tuple[dict[str, str | None], list[FieldError]]:
    """The keys by provider, and what is wrong with those that cannot be used."""
    if not isinstance(given, dict):
        return {}, [("provider_keys", "It is an object.")]
    known = {provider.info.id for provider in providers.all() if not provider.info.on_this_machine}
    errors: list[FieldError] = []
    for provider_id, key in given.items():
        place = f"provider_keys.{provider_id[:64]}"
        if provider_id not in known:
            errors.append((place, "There is no such provider here, or it takes no key."))
        elif key is not None and not (isinstance(key, str) and is_key(key)):
            errors.append((place, KEY_RULE))
    return given, errors


async def _answer(request: Request[Any, Any, Any], settings: SettingsService, keys: ProviderKeys) -> ASGIResponse:
    described = await settings.describe()
    version = described.pop("version")
    body = described | {"provider_keys": await keys.states(), "etag": version_tag(version)}
    return tagged_response(request, body, version=version)
