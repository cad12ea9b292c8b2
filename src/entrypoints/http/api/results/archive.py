"""`POST /api/results/archive`: finished pictures as one ZIP file, streamed."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from dishka.integrations.litestar import FromDishka, inject
from litestar import Request, post
from litestar.types import ASGIApp, Receive, Scope, Send

from .....core.domain.accounts import Permission
from .....core.domain.errors import PhotoChangerError
from .....core.domain.field_errors import FieldError, FieldErrorCode
from .....core.domain.results.listing import ResultFilter, Visibility
from .....core.domain.slots.slot import MAX_SLOT_COUNT
from .....core.domain.validation import parse_fields, refuse
from .....core.ports.clock import Clock
from .....core.services.media.archive import MAX_PICTURES, ResultArchives
from ...extensions import connection_of
from ...protocol.disconnect import cut
from ...protocol.json_body import read_json

_log = logging.getLogger("photochanger.http")

_NAMES = {"ended_from": "from", "ended_to": "to"}


class ArchiveDocument(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename=_NAMES,
    forbid_unknown_fields=True,
):
    """Which pictures: these jobs, or those that match every condition."""

    job_ids: list[UUID] | None = None
    slot_ids: list[str] | None = None
    ended_from: datetime | None = None
    ended_to: datetime | None = None
    visibility: Visibility | None = None


@post("/api/results/archive", status_code=200, opt={"access": Permission.JOBS_READ})
@inject
async def archive_results(
    request: Request[Any, Any, Any], archives: FromDishka[ResultArchives], clock: FromDishka[Clock]
) -> ASGIApp:
    """Stream the archive; nothing of it is kept."""
    wanted = _filter(parse_fields(ArchiveDocument, await read_json(request)))
    await archives.require_bounded(wanted)
    stream = archives.stream(wanted)
    first = await anext(stream)  # what cannot be read at all is noticed while another response is possible
    return _ArchiveResponse(stream, first, name=f"pictures-{clock.now():%Y-%m-%d_%H-%M-%S}.zip")


def _filter(document: ArchiveDocument) -> ResultFilter:
    bounds = {"job_ids": (document.job_ids, MAX_PICTURES), "slot_ids": (document.slot_ids, MAX_SLOT_COUNT)}
    errors = [FieldError(name, FieldErrorCode.EMPTY) for name, (given, _) in bounds.items() if given == []]
    errors += [
        FieldError(name, FieldErrorCode.TOO_MANY, {"max": most})
        for name, (given, most) in bounds.items()
        if given is not None and len(given) > most
    ]
    errors += [
        FieldError(name, FieldErrorCode.TIME_ZONE_REQUIRED)
        for name, moment in {"from": document.ended_from, "to": document.ended_to}.items()
        if moment is not None and moment.tzinfo is None
    ]
    refuse(errors)
    return ResultFilter(
        job_ids=tuple(dict.fromkeys(document.job_ids or ())),
        slot_ids=tuple(document.slot_ids or ()),
        visibility=document.visibility,
        ended_from=document.ended_from,
        ended_to=document.ended_to,
    )


class _ArchiveResponse:
    """The response: its length is not known in advance. One that cannot be completed is cut, so that no client takes
    a part of it for the whole."""

    def __init__(self, stream: AsyncGenerator[bytes], first: bytes, *, name: str) -> None:
        self._stream = stream
        self._first = first
        self._headers = [
            (b"content-type", b"application/zip"),
            (b"content-disposition", f'attachment; filename="{name}"'.encode()),
            (b"cache-control", b"no-store"),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            if not await self._send(scope, send):
                await cut(scope, receive)
        except PhotoChangerError as error:
            _log.warning("archive cut: %s", error.detail)
            await cut(scope, receive)
        finally:
            await self._stream.aclose()  # with the file that was being read

    async def _send(self, scope: Any, send: Send) -> bool:
        """Whether the whole archive was sent; the client may disconnect before its end."""
        connection = connection_of(scope)
        await send({"type": "http.response.start", "status": 200, "headers": [*self._headers]})
        await send({"type": "http.response.body", "body": self._first, "more_body": True})
        async for chunk in self._stream:
            if connection is not None and connection.is_closing:
                return False  # the rest would be read for nothing
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        return True
