"""What was seen of an ingest request while it was read, made into the slot's last request once it is answered."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any
from uuid import UUID

from litestar import Request
from litestar.exceptions import MethodNotAllowedException
from litestar.response.base import Response

from ....core.domain.errors import InvalidPassword, PhotoChangerError
from ....core.domain.ingest_request import (
    CLIENT_GONE,
    MAX_DETAIL_CHARS,
    MAX_FIELDS,
    PASSWORD_FIELD,
    IngestRequest,
    PasswordCheck,
    ReceivedFile,
    bounded,
    shown_fields,
    shown_headers,
)
from ....core.services.media.upload import SNIFF_BYTES
from ..auth.access import address_of
from ..dependencies import HttpServices
from ..protocol.multipart import ClientGone
from ..protocol.problems import Problem, handle_http_error, problem_of


class RequestRecorder:
    """The FormObserver of an ingest, with what became of the request. `note` gives it to whoever keeps it."""

    def __init__(self, request: Request[Any, Any, Any], services: HttpServices, slot_id: str) -> None:
        self._request = request
        self._services = services
        self._slot_id = slot_id
        self._received_at = services.clock.now()
        self._fields: list[tuple[str, str]] = []
        self._field_count = 0
        self._password: PasswordCheck | None = None
        self._file: tuple[str, str | None, str | None] | None = None
        self._head = b""
        self._size_bytes = 0
        self._complete = False
        self.job_id: UUID | None = None

    def field(self, name: str, text: str) -> None:
        """A text field was read."""
        if name == PASSWORD_FIELD:
            self._password = self._password or PasswordCheck.GIVEN
            return
        self._field_count += 1
        if len(self._fields) < MAX_FIELDS:
            self._fields.append((name, text))

    def file(self, name: str, filename: str | None, content_type: str | None) -> None:
        """A file begins."""
        self._file = (name, filename, content_type)

    def chunk(self, data: bytes) -> None:
        """More of the file was read."""
        self._size_bytes += len(data)
        if len(self._head) < SNIFF_BYTES:
            self._head += data[: SNIFF_BYTES - len(self._head)]

    def complete(self) -> None:
        """The form was read to its end."""
        self._complete = True

    async def check_password(self, password: str) -> None:
        """The service's own check, with its outcome remembered. Raises what that raises."""
        try:
            await self._services.auth.check_ingest_password(password, address=address_of(self._request))
        except InvalidPassword:
            self._password = PasswordCheck.WRONG
            raise
        self._password = PasswordCheck.RIGHT

    def answered(self, status: int, told: Problem | None = None) -> None:
        """Note the request with its answer."""
        code, detail = (None, None) if told is None else (told.code, bounded(told.detail, chars=MAX_DETAIL_CHARS))
        self._note(status, code, detail)

    def failed(self, error: BaseException) -> None:
        """Note the request with what was raised instead of an answer."""
        if isinstance(error, PhotoChangerError):
            told = problem_of(error)
            self.answered(told.status, told)
        elif isinstance(error, ClientGone | asyncio.CancelledError):
            self._note(None, CLIENT_GONE, None)
        else:
            self._note(500, "internal_error", None)

    def _note(self, status: int | None, code: str | None, detail: str | None) -> None:
        self._services.last_requests.note(self._seen(self._services.clock.now(), status, code, detail))

    def _seen(self, now: datetime, status: int | None, code: str | None, detail: str | None) -> IngestRequest:
        request = self._request
        password = self._password
        if password is None and self._complete:
            password = PasswordCheck.MISSING
        return IngestRequest(
            slot_id=self._slot_id,
            received_at=self._received_at,
            answered_at=now,
            address=bounded(address_of(request)),
            method=request.method,
            content_type=_bounded(request.headers.get("content-type")),
            headers=shown_headers(request.headers.multi_items()),
            fields=shown_fields(self._fields, is_password=self._services.auth.was_right),
            field_count=self._field_count,
            password=password,
            file=self._seen_file(),
            complete=self._complete,
            status=status,
            code=code,
            detail=detail,
            job_id=self.job_id,
        )

    def _seen_file(self) -> ReceivedFile | None:
        if self._file is None:
            return None
        field, filename, content_type = self._file
        return ReceivedFile(
            field=bounded(field),
            filename=_bounded(filename),
            content_type=_bounded(content_type),
            size_bytes=self._size_bytes,
            sniffed=self._services.images.sniff(self._head),
        )


def tell_method_not_allowed(request: Request[Any, Any, Any], error: MethodNotAllowedException) -> Response[Problem]:
    """The answer to a wrong method; at the address of a slot's ingest it is what a camera's set-up may have wrong."""
    answer = handle_http_error(request, error)
    head, _, slot_id = request.url.path.rpartition("/")
    if head.endswith("/ingest"):  # below whatever address the app is mounted at
        RequestRecorder(request, request.app.state.services, slot_id).answered(answer.content.status, answer.content)
    return answer


def _bounded(text: str | None) -> str | None:
    return None if text is None else bounded(text)
