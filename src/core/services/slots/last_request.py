"""The last ingest request of each slot, stored in the background after the response; losing one does no harm."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta

from ...domain.errors import PhotoChangerError
from ...domain.ingest_request import IngestRequest, life
from ...domain.slots.slot import is_slot_id
from ...ports.clock import Clock
from ...ports.repositories.ingest_requests import IngestRequestRepository
from ...ports.repositories.slot_repository import SlotRepository
from ..settings.service import SettingsService
from ..support.concurrency import BackgroundTasks

_log = logging.getLogger("photochanger.ingest_requests")

WRITE_EVERY = timedelta(seconds=1)
"""Minimum time between two writes for one slot; requests in between are never written."""


class LastRequestLog:
    """The last request of each slot: recorded by the ingest handler, read by administrators."""

    def __init__(
        self, requests: IngestRequestRepository, slots: SlotRepository, settings: SettingsService, clock: Clock
    ) -> None:
        self._requests = requests
        self._slots = slots
        self._settings = settings
        self._clock = clock
        self._unwritten: dict[str, IngestRequest] = {}
        self._tasks = BackgroundTasks()
        self._writing: set[str] = set()

    def note(self, request: IngestRequest) -> None:
        """Store the request in the background, if its slot exists; returns immediately."""
        slot_id = request.slot_id
        if not is_slot_id(slot_id):
            return
        waiting = self._unwritten.get(slot_id)
        if waiting is None or waiting.received_at <= request.received_at:
            self._unwritten[slot_id] = request
        if slot_id not in self._writing:
            self._writing.add(slot_id)
            self._tasks.start(self._write(slot_id), name=f"last request of {slot_id}")

    async def get(self, slot_id: str) -> IngestRequest | None:
        """The slot's last request; None if there was none within its retention. SlotNotFound, QueueUnavailable."""
        await self._slots.get(slot_id)
        request = await self._requests.last(slot_id)
        return None if request is None or request.received_at < await self._kept_from() else request

    async def all(self) -> list[IngestRequest]:
        """The last request of every slot that had one within the retention, by slot. QueueUnavailable."""
        kept_from = await self._kept_from()
        return [request for request in await self._requests.all() if request.received_at >= kept_from]

    async def prune(self) -> int:
        """Delete requests past their retention; returns how many. QueueUnavailable."""
        return await self._requests.prune(received_before=await self._kept_from())

    async def close(self) -> None:
        """Write what is pending, and stop."""
        await self._tasks.cancel()
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
            self._writing.discard(slot_id)

    async def _put(self, request: IngestRequest) -> None:
        try:
            await self._slots.get(request.slot_id)
            await self._requests.put(request)
        except PhotoChangerError as error:
            _log.debug("storing the last request of %s failed: %s", request.slot_id, error.detail)
