"""The settings of the provider `http`, and the checks that JSON Schema cannot express."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from msgspec import Meta, Struct

from ....core.domain.errors import InvalidSettings
from ....core.domain.validation import parse_fields
from ...http_client.client import fits_header
from ...http_client.messages import host_and_port

ROLES = ("style", "face", "frame")
"""The templates that go along, as files of the form under these names, where the slot has them."""

FieldName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.\[\]-]{1,64}$")]
HeaderName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$")]
_Value = Annotated[str, Meta(max_length=4000)]
_HeaderValue = Annotated[str, Meta(pattern=r"^[\x20-\x7e]{1,2000}$")]

# A pattern of a JSON Schema lets a line break at the end through, which would start another header.
_WHOLE_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_PREFIX = re.compile(r"[\x20-\x7e]*")

# They belong to the connection or to the body that is made here; a service that got two of them could be misled.
_OURS = frozenset(
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
    """Where the photo is sent, and how."""

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
    errors = tuple(_errors(settings))
    if errors:
        told = "; ".join(f"{name}: {what}" for name, what in errors)
        raise InvalidSettings(f"The settings do not fit: {told}", errors)
    return settings


def _errors(settings: HttpSettings) -> Iterator[tuple[str, str]]:
    if host_and_port(settings.url) is None:
        yield "url", "This is no http or https address of a host, or it names a user (use the provider's key)."
    if settings.key_header.lower() in _OURS:
        yield "key_header", "This header is set by PhotoChanger itself."
    if not _WHOLE_NAME.fullmatch(settings.key_header):
        yield "key_header", "This is no name of a header."
    if not _PREFIX.fullmatch(settings.key_prefix):
        yield "key_prefix", "Only printable ASCII characters fit into a header."
    yield from _header_errors(settings)
    yield from _field_errors(settings)


def _header_errors(settings: HttpSettings) -> Iterator[tuple[str, str]]:
    seen: set[str] = set()
    for name, value in settings.headers.items():
        lower = name.lower()
        if lower in _OURS:
            yield f"headers.{name}", "This header is set by PhotoChanger itself."
        elif lower in ("authorization", settings.key_header.lower()):
            yield f"headers.{name}", "This header carries the provider's key."
        elif lower in seen:
            yield f"headers.{name}", "This header is there twice."
        elif not (_WHOLE_NAME.fullmatch(name) and fits_header(value)):
            yield f"headers.{name}", "Only printable ASCII characters fit into a header."
        seen.add(lower)


def _field_errors(settings: HttpSettings) -> Iterator[tuple[str, str]]:
    """Names of the form must differ: two parts of one name are taken as a list, or the second is lost."""
    taken = set(ROLES)
    if settings.file_field in taken:
        yield "file_field", "This is the name of a template."
    taken.add(settings.file_field)
    if settings.prompt_field in taken:
        yield "prompt_field", "Another part of the form has this name."
    if settings.prompt:
        taken.add(settings.prompt_field)
    for name in settings.fields:
        if name in taken:
            yield f"fields.{name}", "Another part of the form has this name."
