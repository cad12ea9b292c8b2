"""One photo of a watched folder, from its file to its picture: what is sent again, what waits, what has failed."""

from __future__ import annotations

import asyncio
import enum
from http import HTTPStatus
from pathlib import Path
from typing import Protocol
from weakref import WeakValueDictionary

import httpx2
import msgspec

from ....core.services.support.concurrency import race
from ..send.client import Outcome, Photo, ProgressListener, SendResult, SendTarget, send_photo
from .files import sha256_of
from .folders import WatchFolders
from .sidecar import SidecarUnusable, read_fields, sidecar_of

MAX_CALLS = 3
"""How often a photo is sent whose picture the service could not make."""

MIN_WAIT_SECONDS = 2.0
MAX_WAIT_SECONDS = 60.0
"""The pauses while the service is away, or refuses every photo; they double from one to the other."""

_OF_THE_PHOTO = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    }
)
_OF_THE_PICTURE = frozenset({HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT})


class PhotoEnd(enum.StrEnum):
    """What became of a photo. LEFT: it stays in the folder, for a later look or the next start."""

    PICTURE = "picture"
    DUPLICATE = "duplicate"
    FAILED = "failed"
    LEFT = "left"


class WatchProgress(ProgressListener, Protocol):
    """Receives the progress of photos, and their ends."""

    def ends(self, photo: Photo, sent: SendResult) -> None:
        """A photo was sent, successfully or not."""


class PhotoRuns:
    """Sends photos of a folder."""

    def __init__(
        self,
        http: httpx2.AsyncClient,
        target: SendTarget,
        folders: WatchFolders,
        *,
        progress: WatchProgress,
        stop: asyncio.Event,
    ) -> None:
        self._http = http
        self._target = target
        self._folders = folders
        self._progress = progress
        self._stop = stop
        self._under_way: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def run(self, photo: Photo) -> PhotoEnd:
        """Send a photo until it has its picture or has failed, then move it. OSError: another program has it open.

        The idempotency key is made of slot and bytes: a photo that a killed process had sent gets the picture that the
        service made meanwhile, and a full disk costs no second picture.
        """
        sha256 = await asyncio.to_thread(sha256_of, photo.path)
        lock = self._under_way.setdefault(sha256, asyncio.Lock())
        async with lock:  # the same photo may lie there twice
            if await asyncio.to_thread(self._folders.is_done, sha256):
                await asyncio.to_thread(self._folders.move_done, photo.path.name)
                return PhotoEnd.DUPLICATE
            return await self._send(photo, sha256)

    async def _send(self, photo: Photo, sha256: str) -> PhotoEnd:
        name = photo.path.name
        try:
            target = await asyncio.to_thread(self._with_fields, photo)
        except SidecarUnusable as error:
            unusable = SendResult(
                photo=photo.name, outcome=Outcome.NOT_SENT, code="sidecar_unusable", detail=str(error)
            )
            return await self._fail(photo, sha256, unusable)
        wait, calls = MIN_WAIT_SECONDS, 0
        while True:
            sent = await self._ask(target, photo, sha256)
            if sent.is_picture:
                await asyncio.to_thread(self._folders.note_done, name, sha256)
                self._progress.ends(photo, sent)
                await asyncio.to_thread(self._folders.move_done, name)
                return PhotoEnd.PICTURE
            if self._stop.is_set() or sent.outcome is Outcome.NOT_SENT:
                self._progress.ends(photo, sent)
                return PhotoEnd.LEFT
            if sent.status in _OF_THE_PHOTO:
                return await self._fail(photo, sha256, sent)
            if sent.status in _OF_THE_PICTURE:
                calls, wait = calls + 1, MIN_WAIT_SECONDS
                if calls == MAX_CALLS:
                    return await self._fail(photo, sha256, sent)
            self._progress.pauses(photo, wait, sent.code or sent.outcome)
            await race(asyncio.sleep(wait), self._stop.wait())
            wait = min(2 * wait, MAX_WAIT_SECONDS)

    async def _ask(self, target: SendTarget, photo: Photo, sha256: str) -> SendResult:
        def save(photo: Photo, data: bytes, *, extension: str, job_id: str | None) -> Path:
            return self._folders.save(photo, sha256, data, extension=extension, job_id=job_id)

        key = f"watch-{target.address.rpartition('/')[2]}-{sha256}"
        return await send_photo(self._http, target, photo, save=save, progress=self._progress, stop=self._stop, key=key)

    def _with_fields(self, photo: Photo) -> SendTarget:
        sidecar = sidecar_of(photo.path)
        if sidecar is None:
            return self._target
        return msgspec.structs.replace(self._target, fields={**self._target.fields, **read_fields(sidecar)})

    async def _fail(self, photo: Photo, sha256: str, sent: SendResult) -> PhotoEnd:
        await asyncio.to_thread(self._folders.fail, photo.path.name, sha256, sent)
        self._progress.ends(photo, sent)
        return PhotoEnd.FAILED
