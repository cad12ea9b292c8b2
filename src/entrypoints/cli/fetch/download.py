"""One picture from the service into its file: whole and right, or not at all."""

from __future__ import annotations

import asyncio
import enum
import hashlib
import os
import secrets
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO

import httpx2

from ....core.services.support.concurrency import race
from ..watch.files import sha256_of
from .api import Listed, ServiceApi

MAX_TRIES = 3
"""How often a picture is asked for while the service or the network fails."""

PAUSE_SECONDS = 2.0

_GONE = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)


class End(enum.StrEnum):
    """What became of a picture. LEFT: the command was stopped before."""

    FETCHED = "fetched"
    THERE = "there"
    EXPIRED = "expired"
    FAILED = "failed"
    LEFT = "left"


class Downloads:
    """Downloads into a folder. A file that is there and whole is not fetched again."""

    def __init__(self, http: httpx2.AsyncClient, api: ServiceApi, folder: Path, *, stop: asyncio.Event) -> None:
        self._http = http
        self._api = api
        self._folder = folder
        self._stop = stop

    async def run(self, listed: Listed) -> End:
        """Fetch a picture, unless it is there. OSError: it cannot be written."""
        path = self._folder / listed.name
        if await asyncio.to_thread(_is_whole, path, listed):
            return End.THERE
        await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True)
        for tries in range(MAX_TRIES):
            if tries:
                await race(asyncio.sleep(PAUSE_SECONDS), self._stop.wait())
            if self._stop.is_set():
                return End.LEFT
            try:
                end = await self._fetch(listed, path)
            except httpx2.RequestError:
                continue
            if end is not None:
                return end
        return End.FAILED

    async def _fetch(self, listed: Listed, path: Path) -> End | None:
        """Fetch a picture once; None where another try may help."""
        part = path.parent / f".photochanger-{secrets.token_hex(8)}.part"
        digest, size = hashlib.sha256(), 0
        try:
            async with self._http.stream("GET", self._api.picture_url(listed.job_id)) as answer:
                if answer.status_code in _GONE:
                    return End.EXPIRED
                if answer.status_code != HTTPStatus.OK:
                    return None
                with await asyncio.to_thread(part.open, "xb") as file:
                    async for chunk in answer.aiter_bytes():
                        size += len(chunk)
                        if size > listed.result.size_bytes:
                            return None
                        digest.update(chunk)
                        await asyncio.to_thread(file.write, chunk)
                    await asyncio.to_thread(_sync, file)
            if digest.hexdigest() != listed.result.sha256:
                return None
            await asyncio.to_thread(os.replace, part, path)
            return End.FETCHED
        finally:
            part.unlink(missing_ok=True)


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _is_whole(path: Path, listed: Listed) -> bool:
    try:
        return path.stat().st_size == listed.result.size_bytes and sha256_of(path) == listed.result.sha256
    except OSError:
        return False
