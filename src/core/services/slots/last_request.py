"""Keeps the last request of each slot, behind the answers: no guest waits for it, and losing one does no harm."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta

from ...domain.errors import PhotoChangerError
from ...domain.ingest_request import IngestRequest, life
from ...domain.slot import SLOT_IDS
from ...ports.clock import Clock
from ...ports.ingest_requests import IngestRequestRepository
from ...ports.slot_repository import SlotRepository
from ..settings.service import SettingsService

_log = logging.getLogger("photochanger.ingest_requests")

WRITE_EVERY = timedelta(seconds=1)
"""How often the last request of one slot is written at most; those between two writings are never written."""


class LastRequestLog:
    """The last request of each slot: noted by whoever answers it, read by administrators."""

    def __init__(
        self, requests: IngestRequestRepository, slots: SlotRepository, settings: SettingsService, clock: Clock
    ) -> None:
        self._requests = requests
        self._slots = slots
        self._settings = settings
        self._clock = clock
        self._unwritten: dict[str, IngestRequest] = {}
        self._writing: dict[str, asyncio.Task[None]] = {}

    def note(self, request: IngestRequest) -> None:
        """Keep the request, later and in the background; returns at once. One to no slot is not kept."""
        slot_id = request.slot_id
        if slot_id not in SLOT_IDS:
            return
        waiting = self._unwritten.get(slot_id)
        if waiting is None or waiting.received_at <= request.received_at:
            self._unwritten[slot_id] = request
        if slot_id not in self._writing:
            self._writing[slot_id] = asyncio.ensure_future(self._write(slot_id))

    async def get(self, slot_id: str) -> IngestRequest | None:
        """The slot's last request, or None: none has come in, or too long ago. SlotNotFound, QueueUnavailable."""
        await self._slots.get(slot_id)
        request = await self._requests.last(slot_id)
        return None if request is None or request.received_at < await self._kept_from() else request

    async def prune(self) -> int:
        """Forget the requests that came in too long ago; returns how many. QueueUnavailable."""
        return await self._requests.prune(received_before=await self._kept_from())

    async def close(self) -> None:
        """Write what is still to be written, and stop."""
        writing = [*self._writing.values()]
        for task in writing:
            task.cancel()
        await asyncio.gather(*writing, return_exceptions=True)
        for slot_id in [*self._unwritten]:
            await self._put(self._unwritten.pop(slot_id))

    async def _kept_from(self) -> datetime:
        return self._clock.now() - life((await self._settings.current()).result_retention)

    async def _write(self, slot_id: str) -> None:
        try:
            while (request := self._unwritten.pop(slot_id, None)) is not None:
                try:
                    await self._put(request)
                except asyncio.CancelledError:
                    self._unwritten.setdefault(slot_id, request)  # `close` writes it
                    raise
                await self._clock.sleep(WRITE_EVERY)
        finally:
            del self._writing[slot_id]

    async def _put(self, request: IngestRequest) -> None:
        try:
            await self._requests.put(request)
        except PhotoChangerError as error:
            _log.debug("the last request of %s is lost: %s", request.slot_id, error.detail)
