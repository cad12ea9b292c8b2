"""The settings of the service as administrators read and write them; passwords and keys go in and never come out."""

from __future__ import annotations

from typing import Any

from litestar import Request, get, put
from litestar.response.base import ASGIResponse
from litestar.types import ASGIApp

from ....core.domain.accounts import Permission
from ....core.domain.field_errors import FieldError, FieldErrorCode
from ....core.services.providers.api_keys import BAD_KEY, is_key
from ..auth.access import actor_of
from ..dependencies import HttpServices
from ..protocol.etag import expected_version, tagged_response, version_tag
from ..protocol.json_body import read_json


@get("/api/settings", opt={"access": Permission.SETTINGS_READ})
async def get_settings(request: Request[Any, Any, Any]) -> ASGIApp:
    """What applies right now, and what of it was set here."""
    return await _answer(request, request.app.state.services)


@put("/api/settings", opt={"access": Permission.SETTINGS_WRITE})
async def put_settings(request: Request[Any, Any, Any]) -> ASGIApp:
    """Change what the body names; null takes back what was set."""
    services: HttpServices = request.app.state.services
    version = expected_version(request)
    document = await read_json(request)
    keys, troubles = _keys(document.pop("provider_keys", {}), services)
    by = actor_of(request)
    changed = await services.settings.change(document, expected_version=version, by=by, beside=troubles)
    if keys and not changed:
        await services.settings.take_version(version)
    for provider_id, key in keys.items():
        if key is None:
            await services.provider_keys.forget(provider_id, by=by)
        else:
            await services.provider_keys.set(provider_id, key, by=by)
    return await _answer(request, services)


def _keys(given: object, services: HttpServices) -> tuple[dict[str, str | None], list[FieldError]]:
    """The keys by provider, and what is wrong with those that cannot be used."""
    if not isinstance(given, dict):
        return {}, [FieldError("provider_keys", FieldErrorCode.WRONG_TYPE, {"expected": "object"})]
    known = {provider.info.id for provider in services.catalogue.all() if not provider.info.on_this_machine}
    errors: list[FieldError] = []
    for provider_id, key in given.items():
        place = f"provider_keys.{provider_id[:64]}"
        if provider_id not in known:
            params = {"provider": provider_id[:64]}
            errors.append(FieldError(place, FieldErrorCode.PROVIDER_NOT_CONFIGURABLE, params))
        elif key is not None and not (isinstance(key, str) and is_key(key)):
            errors.append(FieldError(place, BAD_KEY.code, BAD_KEY.params))
    return given, errors


async def _answer(request: Request[Any, Any, Any], services: HttpServices) -> ASGIResponse:
    described = await services.settings.describe()
    keys = await services.provider_keys.states()
    version = described.pop("version")
    body = described | {"provider_keys": keys, "etag": version_tag(version)}
    return tagged_response(request, body, version=version)
