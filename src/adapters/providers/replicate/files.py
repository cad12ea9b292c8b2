"""Pictures at Replicate: uploaded where they are too large for a request, and deleted when their prediction has ended.

The service deletes forgotten files itself after a day.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any

from ....core.domain.media import Picture
from ....core.ports.provider import ProviderError
from ....core.services.support.concurrency import BackgroundTasks
from ...http_client.json_body import DataUri
from ...system_clock import SYSTEM_CLOCK
from ..wire import RemoteService
from .answers import require_good, uploaded_file
from .requests import delete_file, upload

INLINE_BYTES = 256 * 1024
"""The largest data URI that the service advises."""

_DELETION_TIME = timedelta(seconds=15)
_CLOSING_TIME = timedelta(seconds=5)

_log = logging.getLogger("photochanger.providers.replicate")


class ReplicateFiles:
    """The files of this process at Replicate."""

    def __init__(self, service: RemoteService) -> None:
        self._service = service
        self._deletions = BackgroundTasks()

    async def sent(self, pictures: Sequence[Picture], files: list[str], *, key: str, until: datetime) -> list[Any]:
        """Return the pictures as an input takes them; the ids of those that were uploaded are added to `files`."""
        values: list[Any] = []
        for position, picture in enumerate(pictures):
            uri = DataUri(picture.mime, picture.data)
            if uri.size_bytes <= INLINE_BYTES:
                values.append(uri)
                continue
            name = "photo" if position == 0 else f"template-{position}"
            answer = await self._service.ask(upload(self._service.url, key, picture, name), until=until)
            file = uploaded_file(answer, secret=key)
            files.append(file.id)
            values.append(file.urls.get)
        return values

    def delete(self, files: Sequence[str], *, key: str) -> None:
        """Delete files in the background."""
        for id in files:
            self._deletions.start(self._delete(id, key), name="deletion of a picture at Replicate")

    async def close(self) -> None:
        """Give deletions that are under way a few seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSING_TIME.total_seconds()):
                await self._deletions.close()
        await self._deletions.cancel()

    async def _delete(self, id: str, key: str) -> None:
        until = SYSTEM_CLOCK.now() + _DELETION_TIME
        try:
            answer = await self._service.ask(delete_file(self._service.url, key, id), until=until)
            if answer.status != HTTPStatus.NOT_FOUND:
                require_good(answer, secret=key)
        except ProviderError as error:
            _log.warning("deleting an uploaded picture at Replicate failed: %s", error.reason)
