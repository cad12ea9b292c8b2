"""JSON responses with an ETag, and conditional requests (RFC 9110 §13)."""

from __future__ import annotations

import hashlib
import re
from typing import Any

import msgspec
from litestar import Request
from litestar.response.base import ASGIResponse

from ....core.domain.errors import InvalidRequest, VersionRequired

_VERSION = re.compile(r'"(\d{1,9})(?:\.[0-9a-f]+)?"\Z')


def json_response(body: object, *, status: int = 200, headers: dict[str, str] | None = None) -> ASGIResponse:
    """A JSON response that must not be cached."""
    sent = {"Cache-Control": "no-store", **(headers or {})}
    data = msgspec.json.encode(body)
    return ASGIResponse(body=data, status_code=status, media_type="application/json", headers=sent)


def no_content() -> ASGIResponse:
    """204."""
    return ASGIResponse(status_code=204, headers={"Cache-Control": "no-store"})


def tagged_response(
    request: Request[Any, Any, Any], body: object, *, version: int | None = None, status: int = 200
) -> ASGIResponse:
    """A JSON response with an ETag of its content, or 304 if the client has it.

    `version` becomes the first part of the tag, which a later write sends in `If-Match`.
    """
    return _tagged(request, body, version=version, status=status, cache_control="no-cache")


def personal_response(request: Request[Any, Any, Any], body: object) -> ASGIResponse:
    """`tagged_response` for personal data: shared caches must not store it."""
    return _tagged(request, body, version=None, status=200, cache_control="no-store")


def _tagged(
    request: Request[Any, Any, Any], body: object, *, version: int | None, status: int, cache_control: str
) -> ASGIResponse:
    data = msgspec.json.encode(body)
    digest = hashlib.sha256(data).hexdigest()[:16]
    etag = f'"{digest}"' if version is None else f'"{version}.{digest}"'
    headers = {"ETag": etag, "Cache-Control": cache_control, "Vary": "Authorization, Cookie"}
    if request.method == "GET" and matches(request.headers.get("if-none-match"), etag):
        return ASGIResponse(status_code=304, headers=headers, media_type="application/json")
    return ASGIResponse(body=data, status_code=status, media_type="application/json", headers=headers)


def version_tag(version: int) -> str:
    """The tag of a version alone, for `etag` in bodies."""
    return f'"{version}"'


def required_version(request: Request[Any, Any, Any]) -> int:
    """The version in `If-Match`; VersionRequired without one, InvalidRequest for a tag that is not one of ours."""
    version = expected_version(request)
    if version is None:
        raise VersionRequired("This change requires `If-Match` with the ETag that was read.")
    return version


def expected_version(request: Request[Any, Any, Any]) -> int | None:
    """The version in `If-Match`, or None; InvalidRequest."""
    given = request.headers.get("if-match", "").strip()
    if not given:
        return None
    match = _VERSION.match(given)
    if match is None:
        raise InvalidRequest("`If-Match` does not contain an ETag of this service.")
    return int(match[1])


def matches(given: str | None, etag: str) -> bool:
    """Whether `If-None-Match` names this tag (weak comparison)."""
    return given is not None and any(tag.strip().removeprefix("W/") in (etag, "*") for tag in given.split(","))
