"""Records each request to a slot's ingest address, with its response, as the slot's last request.

An ASGI layer around the app: it observes the form while it is read, and the problem in the response.
"""

from __future__ import annotations

from functools import partial
from typing import Any
from uuid import UUID

import msgspec
from litestar import Request
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from ....core.domain.ingest_request import (
    CLIENT_GONE,
    MAX_DETAIL_CHARS,
    MAX_FIELDS,
    PASSWORD_FIELD,
    IngestRequest,
    PasswordCheck,
    ReceivedFile,
    bounded,
    metadata_name,
    shown_fields,
    shown_headers,
)
from ....core.ports.clock import Clock
from ....core.ports.image_tool import ImageTool
from ....core.services.auth.ingest_password import AuthService
from ....core.services.media.upload import SNIFF_BYTES
from ....core.services.slots.last_request import LastRequestLog
from ... import logging_setup as logs
from ..auth.access import address_of
from ..protocol.multipart import OBSERVER
from ..protocol.problems import PROBLEM
from .address import PREFIX, STYLE_PREFIX


class RequestRecorder:
    """The ASGI app with recording of its ingest requests."""

    def __init__(
        self, app: ASGIApp, *, last_requests: LastRequestLog, auth: AuthService, images: ImageTool, clock: Clock
    ) -> None:
        self._app = app
        self._last_requests = last_requests
        self._auth = auth
        self._images = images
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        address = _address(scope)
        if address is None:
            await self._app(scope, receive, send)
            return
        form = _FormRecord()
        response = _Response()
        received_at = self._clock.now()
        scope.setdefault("state", {})[OBSERVER] = form

        def record() -> None:
            slot_id = _slot_id(address)
            if slot_id is None:
                return
            request: Request[Any, Any, Any] = Request(scope)
            self._last_requests.note(
                IngestRequest(
                    slot_id=slot_id,
                    received_at=received_at,
                    answered_at=self._clock.now(),
                    address=bounded(address_of(request)),
                    method=str(request.method),
                    content_type=_bounded(request.headers.get("content-type")),
                    headers=shown_headers(request.headers.multi_items()),
                    fields=shown_fields(form.fields, is_password=partial(self._auth.was_right, slot_id=slot_id)),
                    field_count=form.field_count,
                    password=form.password_check(response.code),
                    file=self._file(form),
                    complete=form.is_complete,
                    status=response.status,
                    code=response.code,
                    detail=response.detail,
                    job_id=UUID(job_id) if (job_id := logs.job_id.get()) else None,
                )
            )

        async def send_recorded(message: Message) -> None:
            if response.add(message):
                record()
            await send(message)

        try:
            await self._app(scope, receive, send_recorded)
        finally:
            if response.status is None:
                record()

    def _file(self, form: _FormRecord) -> ReceivedFile | None:
        if form.file_head is None:
            return None
        field, filename, content_type = form.file_head
        return ReceivedFile(
            field=bounded(field),
            filename=_bounded(filename),
            content_type=_bounded(content_type),
            size_bytes=form.size_bytes,
            sniffed_type=self._images.sniff(form.start),
        )


def _address(scope: Any) -> str | None:
    """The path of a request to an ingest address; None for other requests, and for a browser's preflight."""
    if scope["type"] != ScopeType.HTTP or scope["method"] == "OPTIONS":
        return None
    path: str = scope["path"].removeprefix(scope.get("root_path", ""))
    return path if path.startswith(PREFIX) else None


def _slot_id(address: str) -> str | None:
    """The slot of an address; None where its style is the name of no slot."""
    if address.startswith(STYLE_PREFIX):
        return logs.slot_id.get() or None
    return address.removeprefix(PREFIX).rstrip("/")


class _FormRecord:
    """The FormObserver of an ingest."""

    def __init__(self) -> None:
        self.fields: list[tuple[str, str]] = []
        self.field_count = 0
        self.file_head: tuple[str, str | None, str | None] | None = None
        self.start = b""
        self.size_bytes = 0
        self.is_complete = False
        self._password: PasswordCheck | None = None

    def field(self, name: str, text: str) -> None:
        self._password_accepted()
        if metadata_name(name) == PASSWORD_FIELD:
            self._password = PasswordCheck.GIVEN
            return
        self.field_count += 1
        if len(self.fields) < MAX_FIELDS:
            self.fields.append((name, text))

    def file(self, name: str, filename: str | None, content_type: str | None) -> None:
        self._password_accepted()
        self.file_head = (name, filename, content_type)

    def chunk(self, data: bytes) -> None:
        self.size_bytes += len(data)
        if len(self.start) < SNIFF_BYTES:
            self.start += data[: SNIFF_BYTES - len(self.start)]

    def complete(self) -> None:
        self._password_accepted()
        self.is_complete = True

    def password_check(self, code: str | None) -> PasswordCheck | None:
        """The outcome for the password, given the code of the problem in the response."""
        if code == "invalid_password":
            return PasswordCheck.WRONG
        if self._password is None and self.is_complete:
            return PasswordCheck.MISSING
        return self._password

    def _password_accepted(self) -> None:
        """Note that reading went on: a form is read on only after a right password."""
        if self._password is PasswordCheck.GIVEN:
            self._password = PasswordCheck.RIGHT


class _ProblemSummary(msgspec.Struct):
    code: str
    detail: str


class _Response:
    """What is recorded of the response; without one, the client was gone."""

    def __init__(self) -> None:
        self.status: int | None = None
        self.code: str | None = CLIENT_GONE
        self.detail: str | None = None
        self._is_problem = False

    def add(self, message: Any) -> bool:
        """Add a message of the response; whether it was the first one of the body."""
        if message["type"] == "http.response.start":
            self.code = None
            self._is_problem = (b"content-type", PROBLEM.encode()) in message["headers"]
            self._status = message["status"]
            return False
        if message["type"] != "http.response.body" or self.status is not None:
            return False
        self.status = self._status
        if self._is_problem and message["body"]:
            problem = msgspec.json.decode(message["body"], type=_ProblemSummary)
            self.code, self.detail = problem.code, bounded(problem.detail, chars=MAX_DETAIL_CHARS)
        return True


def _bounded(text: str | None) -> str | None:
    return None if text is None else bounded(text)
