"""Request bodies as a stream of chunks, with bounds on their size and pace."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from litestar import Request
from litestar.types import Receive

from ....core.domain.errors import PayloadTooLarge, UploadInterrupted

_IDLE_SECONDS = 30.0
_SLACK_SECONDS = 60.0
_MIN_BYTES_PER_SECOND = 16 * 1024
"""The pace of the slowest supported line; an upload that falls further behind it than the slack is interrupted."""


class ClientGone(Exception):
    """The client disconnected before it was answered."""


class BodyChunks:
    """The chunks of a request's body.

    Raises PayloadTooLarge (when it is made, if the declared length shows it), UploadInterrupted if chunks stop or fall
    too far behind, and ClientGone.
    """

    def __init__(self, request: Request[Any, Any, Any], *, max_bytes: int, receive: Receive | None = None) -> None:
        self._receive = receive or request.receive
        self._max_bytes = max_bytes
        self._received = 0
        self._more = True
        self._give_up_at = asyncio.get_running_loop().time() + _SLACK_SECONDS
        self._require_size(request.content_length or 0)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if not self._more:
            raise StopAsyncIteration
        idle_at = asyncio.get_running_loop().time() + _IDLE_SECONDS
        give_up_at = self._give_up_at + self._received / _MIN_BYTES_PER_SECOND
        try:
            async with asyncio.timeout_at(min(idle_at, give_up_at)):
                message: Any = await self._receive()
        except TimeoutError:
            if give_up_at < idle_at:
                raise UploadInterrupted("The request arrives too slowly.") from None
            raise UploadInterrupted(f"The request is incomplete: no data for {_IDLE_SECONDS:g} s.") from None
        if message["type"] == "http.disconnect":
            raise ClientGone
        self._more = message.get("more_body", False)
        chunk: bytes = message.get("body", b"")
        self._received += len(chunk)
        self._require_size(self._received)
        return chunk

    def _require_size(self, size: int) -> None:
        if size > self._max_bytes:
            raise PayloadTooLarge(f"The request body must not exceed {self._max_bytes} bytes.")
