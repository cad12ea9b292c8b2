"""The last request that came in on a slot, as far as it was read: for finding out why a camera does not connect.

It holds what people typed and where they were, so it is bounded, kept for a short time, and never holds a password.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from .slots.slot import MAX_FIELD_NAME_CHARS
from .stored_values import StoredEnum

MAX_FIELDS = 32
MAX_VALUE_CHARS = 200
MAX_DETAIL_CHARS = 500

CLIENT_GONE = "client_gone"
"""The `code` of a request whose client hung up before it was answered."""

MAX_AGE = timedelta(hours=24)
"""How long a request is kept at most; less where results are."""

PASSWORD_FIELD = "password"
FILE_FIELDS = ("fileToUpload", "file")

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_]+")

_SHOWN_HEADERS = frozenset(
    {
        "accept",
        "connection",
        "content-length",
        "content-type",
        "expect",
        "host",
        "idempotency-key",
        "prefer",
        "transfer-encoding",
        "user-agent",
        "via",
        "x-forwarded-for",
        "x-forwarded-proto",
    }
)
_SECRET_NAMES = ("pass", "pwd", "secret", "token", "key", "auth", "cookie")


class PasswordCheck(StoredEnum):
    """What became of the ingest password: it was in the form but not checked, was not there, was wrong, or right."""

    GIVEN = "given"
    MISSING = "missing"
    WRONG = "wrong"
    RIGHT = "right"


class ReceivedField(msgspec.Struct, frozen=True):
    """A header or a text field. `value` is None where it may be a secret."""

    name: str
    value: str | None


class ReceivedFile(msgspec.Struct, frozen=True, kw_only=True):
    """The file of a form as far as it arrived; `sniffed_type` is shown by its first bytes, None for no picture."""

    field: str
    filename: str | None
    content_type: str | None
    size_bytes: int
    sniffed_type: str | None


class IngestRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request to a slot's ingest address and what became of it.

    Attributes:
        fields: the first MAX_FIELDS text fields but the password; `field_count` says how many there were.
        password: None where the form was not read far enough to know.
        complete: whether the form was read to its end.
        status: of the answer; None where the client was gone.
        code, detail: of the problem that was answered.
    """

    slot_id: str
    received_at: datetime
    answered_at: datetime
    address: str
    method: str
    content_type: str | None
    headers: tuple[ReceivedField, ...]
    fields: tuple[ReceivedField, ...] = ()
    field_count: int = 0
    password: PasswordCheck | None = None
    file: ReceivedFile | None = None
    complete: bool = False
    status: int | None
    code: str | None = None
    detail: str | None = None
    job_id: UUID | None = None


class Finding(msgspec.Struct, frozen=True):
    """What the service made of a request: a stable code with parameters, and the same in words."""

    code: str
    detail: str
    params: dict[str, str] = {}


def life(result_retention: timedelta) -> timedelta:
    """How long a request is kept after it came in."""
    return min(result_retention, MAX_AGE)


def shown_headers(headers: Iterable[tuple[str, str]]) -> tuple[ReceivedField, ...]:
    """The headers that tell how a client sends; those that may carry a secret are not among them."""
    shown = sorted((name.lower(), value) for name, value in headers if name.lower() in _SHOWN_HEADERS)
    return tuple(ReceivedField(name, bounded(value)) for name, value in shown[:MAX_FIELDS])


def shown_fields(fields: Iterable[tuple[str, str]], *, is_password: Callable[[str], bool]) -> tuple[ReceivedField, ...]:
    """The text fields, bounded. What lies under a name of secrets, or is the password itself, is left out."""
    return tuple(
        ReceivedField(bounded(name), None if _may_be_secret(name) or is_password(value) else bounded(value))
        for name, value in list(fields)[:MAX_FIELDS]
    )


def bounded(text: str, *, chars: int = MAX_VALUE_CHARS) -> str:
    """As much of a text as is kept, without what cannot be stored or shown."""
    kept = text if len(text) <= chars else f"{text[: chars - 1]}…"
    if kept.isprintable():
        return kept
    return "".join("\N{REPLACEMENT CHARACTER}" if _is_unshowable(character) else character for character in kept)


def metadata_name(field: str) -> str | None:
    """The name under which a form field is kept as metadata (`guest[first name]` as `guest_first_name`); None if
    nothing of its name can be kept. Linear in the first characters of the name."""
    name = _NOT_IN_NAMES.sub("_", field[: 4 * MAX_FIELD_NAME_CHARS])
    if name != field:
        name = name.strip("_")
    if not name:
        return None
    return (name if not name[0].isdigit() else f"_{name}")[:MAX_FIELD_NAME_CHARS]


def is_file_field(name: str) -> bool:
    """Whether this is where the photo belongs; some forms mark a list of files by brackets."""
    return name.removesuffix("[]") in FILE_FIELDS


def findings(request: IngestRequest) -> tuple[Finding, ...]:
    """What stood in the way of the request, the likeliest cause first; nothing where it was answered well."""
    if request.code is None:
        return ()
    found = tuple(_findings(request))
    return found or (Finding(request.code, request.detail or "The request was refused."),)


def _findings(request: IngestRequest) -> Iterable[Finding]:
    if request.method != "POST":
        yield Finding(
            "method_not_allowed",
            f"The request is a {request.method}; photos are sent by POST.",
            {"method": request.method},
        )
        return
    kind = (request.content_type or "").partition(";")[0].strip().lower()
    if request.code == "invalid_multipart" and kind != "multipart/form-data":
        given = f"is {kind!r}" if kind else "is not given"
        yield Finding("not_a_form", f"The Content-Type {given}; expected 'multipart/form-data'.", {"type": kind or "-"})
        return
    yield from _of_the_file(request)
    yield from _of_the_password(request)
    if request.code == CLIENT_GONE:
        yield Finding(CLIENT_GONE, "The client hung up before it was answered.")


def _of_the_file(request: IngestRequest) -> Iterable[Finding]:
    expected = " or ".join(f"'{name}'" for name in FILE_FIELDS)
    if request.file is None:
        if request.complete:
            yield Finding("file_missing", f"The form has no photo; expected a file in a field {expected}.")
    elif not is_file_field(request.file.field):
        detail = f"The photo is in a field {request.file.field!r}; expected {expected}."
        yield Finding("file_field_wrong", detail, {"field": request.file.field})
    elif not request.file.size_bytes and request.complete:
        yield Finding("file_empty", "The photo has 0 bytes.")


def _of_the_password(request: IngestRequest) -> Iterable[Finding]:
    if request.password is PasswordCheck.WRONG:
        yield Finding("password_wrong", "The ingest password is not right.")
    elif request.password is PasswordCheck.MISSING:
        likely = next((field.name for field in request.fields if field.value is None), None)
        if likely is None:
            yield Finding("password_missing", f"The form has no field '{PASSWORD_FIELD}'.")
        else:
            yield Finding(
                "password_field_wrong",
                f"The password may be in a field {likely!r}; expected '{PASSWORD_FIELD}'.",
                {"field": likely},
            )


def _may_be_secret(name: str) -> bool:
    lowered = name.lower()
    return any(part in lowered for part in _SECRET_NAMES)


def _is_unshowable(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cs")
