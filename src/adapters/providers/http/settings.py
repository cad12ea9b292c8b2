"""The settings of the provider `http`, and the checks that JSON Schema cannot express."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from msgspec import Meta, Struct

from ....core.domain.field_errors import FieldError, FieldErrorCode
from ....core.domain.validation import parse_fields, refuse
from ...http_client.client import fits_header
from ...http_client.messages import host_and_port

ROLES = ("style", "face", "frame")
"""Templates of the slot that are sent along, as files of the form with these names."""

FieldName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.\[\]-]{1,64}$")]
HeaderName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$")]
_Value = Annotated[str, Meta(max_length=4000)]
_HeaderValue = Annotated[str, Meta(pattern=r"^[\x20-\x7e]{1,2000}$")]

# A pattern of a JSON Schema allows a line break at the end, which would start another header.
_WHOLE_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_PREFIX = re.compile(r"[\x20-\x7e]*")

# These belong to the connection or to the body made here; duplicates could mislead a service.
_RESERVED = frozenset(
    {
        "host",
        "content-length",
        "content-type",
        "content-encoding",
        "transfer-encoding",
        "connection",
        "keep-alive",
        "proxy-connection",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "upgrade",
        "expect",
        "accept-encoding",
    }
)


class Body(enum.StrEnum):
    """The form in which the photo is sent."""

    MULTIPART = "multipart"
    RAW = "raw"


class HttpSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The address of the service and the form of the request."""

    url: Annotated[
        str,
        Meta(
            pattern=r"^https?://[^\s]+$",
            max_length=2000,
            title="Address",
            description=(
                "The photo is POSTed here; the answer must be the finished picture. An address inside of your own "
                "network must be listed in PHOTOCHANGER_PRIVATE_HOSTS."
            ),
            examples=["https://studio.example/render", "http://192.168.1.20:8188/booth"],
        ),
    ]
    body: Annotated[
        Body,
        Meta(
            title="Body",
            description=(
                "multipart: a form with the photo as a file, the fields, and the slot's templates `style`, `face` and "
                "`frame` as further files. raw: the photo alone, as the body."
            ),
        ),
    ] = Body.MULTIPART
    file_field: Annotated[FieldName, Meta(title="Name of the photo", description="multipart: the file's field.")] = (
        "file"
    )
    fields: Annotated[
        dict[FieldName, _Value],
        Meta(max_length=32, title="Further fields", description="multipart: text fields that are sent along."),
    ] = {}
    prompt: Annotated[
        _Value,
        Meta(
            title="Prompt",
            description="multipart: a text sent along. May hold {field}, filled in from the request.",
        ),
    ] = ""
    prompt_field: Annotated[FieldName, Meta(title="Name of the prompt", description="The prompt's field.")] = "prompt"
    headers: Annotated[
        dict[HeaderName, _HeaderValue],
        Meta(
            max_length=32,
            title="Further headers",
            description="Sent along. They are readable in the slot: a secret belongs into the provider's key.",
        ),
    ] = {}
    key_header: Annotated[
        HeaderName, Meta(title="Header of the key", description="Carries the provider's key, where one is set.")
    ] = "Authorization"
    key_prefix: Annotated[
        str, Meta(max_length=64, title="Before the key", description="What stands before the key in its header.")
    ] = "Bearer "


def parse_http_settings(values: Mapping[str, Any]) -> HttpSettings:
    """The settings, defaults filled in. InvalidSettings names every field that does not fit."""
    settings = parse_fields(HttpSettings, values)
    refuse([*_errors(settings)])
    return settings


def _errors(settings: HttpSettings) -> Iterator[FieldError]:
    if host_and_port(settings.url) is None:
        yield FieldError("url", FieldErrorCode.URL_FORMAT)
    if settings.key_header.lower() in _RESERVED:
        yield FieldError("key_header", FieldErrorCode.HEADER_RESERVED)
    if not _WHOLE_NAME.fullmatch(settings.key_header):
        yield FieldError("key_header", FieldErrorCode.HEADER_NAME_FORMAT)
    if not _PREFIX.fullmatch(settings.key_prefix):
        yield FieldError("key_prefix", FieldErrorCode.HEADER_VALUE_FORMAT)
    yield from _header_errors(settings)
    yield from _field_errors(settings)


def _header_errors(settings: HttpSettings) -> Iterator[FieldError]:
    seen: set[str] = set()
    for name, value in settings.headers.items():
        lower = name.lower()
        if lower in _RESERVED:
            yield FieldError(f"headers.{name}", FieldErrorCode.HEADER_RESERVED)
        elif lower in ("authorization", settings.key_header.lower()):
            yield FieldError(f"headers.{name}", FieldErrorCode.HEADER_CARRIES_KEY)
        elif lower in seen:
            yield FieldError(f"headers.{name}", FieldErrorCode.DUPLICATE)
        elif not (_WHOLE_NAME.fullmatch(name) and fits_header(value)):
            yield FieldError(f"headers.{name}", FieldErrorCode.HEADER_VALUE_FORMAT)
        seen.add(lower)


def _field_errors(settings: HttpSettings) -> Iterator[FieldError]:
    """Names of form parts must differ: services take two parts of one name as a list, or lose the second."""
    taken = set(ROLES)
    if settings.file_field in taken:
        yield FieldError("file_field", FieldErrorCode.FORM_NAME_TAKEN)
    taken.add(settings.file_field)
    if settings.prompt_field in taken:
        yield FieldError("prompt_field", FieldErrorCode.FORM_NAME_TAKEN)
    if settings.prompt:
        taken.add(settings.prompt_field)
    for name in settings.fields:
        if name in taken:
            yield FieldError(f"fields.{name}", FieldErrorCode.FORM_NAME_TAKEN)
