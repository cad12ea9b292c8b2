"""Requests to other machines, their answers, and the errors of both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, TypeVar
from urllib.parse import urlsplit

import msgspec

from .host_names import normal_url
from .json_body import JsonBody

_Body = TypeVar("_Body")


class Upload(msgspec.Struct, frozen=True):
    """One file of a multipart form."""

    field: str
    filename: str
    data: bytes
    mime: str

    def __repr__(self) -> str:
        return f"Upload({self.field!r}, {self.mime}, {len(self.data)} bytes)"


class HttpRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What is sent: a body as it stands, JSON with pictures, or form fields, with files a multipart form.

    Redirects are not followed and cookies are not kept. `url` is http or https.
    """

    method: str
    url: str
    headers: Mapping[str, str] = {}
    fields: Mapping[str, str] | None = None
    uploads: tuple[Upload, ...] = ()
    body: bytes | JsonBody | None = None

    def __repr__(self) -> str:
        return f"HttpRequest({self.method})"


class Answer(msgspec.Struct, Generic[_Body], frozen=True):
    """What came back, whole; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: _Body

    def __repr__(self) -> str:
        return f"Answer({self.status})"

    @property
    def content_type(self) -> str:
        """The media type that the answer claims, without parameters; empty where it claims none."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


HttpResponse = Answer[bytes]
"""An answer with its bytes as they are."""


class AddressUnusable(Exception):
    """The text is no http or https URL of a host."""


class AnswerTooLarge(Exception):
    """More bytes came than were asked for; the connection was given up. `status` is that of the answer."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the answer, of status {status}, is too large")
        self.status = status


def host_and_port(url: str) -> tuple[str, int] | None:
    """Where an http or https URL leads, the host in its normal form; None where it is none, or names a user."""
    if (normal := normal_url(url)) is None:
        return None
    parts = urlsplit(normal)
    assert parts.hostname is not None
    return parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)
