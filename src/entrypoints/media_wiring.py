"""The media store that the settings ask for: a folder of this machine, or a bucket of an S3 service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from dishka import Provider, Scope, provide

from ..adapters.filesystem import FilesystemMediaStore
from ..core.ports.clock import Clock
from ..core.ports.media_store import MediaStore
from ..core.ports.repositories.file_records import BegunFiles
from ..core.ports.telemetry import Telemetry
from ..core.services.media.recorded_store import RecordedMediaStore
from .config import Settings
from .data_folder import close_home, naming


class PlainStore(MediaStore, Protocol):
    """The media store itself, which records nothing."""

    async def is_empty(self) -> bool:
        """Whether it contains no file. May list files: not for requests. StorageUnavailable."""
        ...


class MediaAdapters(Provider):
    """The media store, whose files are recorded in the database."""

    scope = Scope.APP

    @provide
    async def plain_store(self, settings: Settings, telemetry: Telemetry) -> AsyncIterator[PlainStore]:
        async with open_store(settings, telemetry) as store:
            yield store

    @provide
    def store(self, plain: PlainStore, begun: BegunFiles, clock: Clock) -> MediaStore:
        return RecordedMediaStore(plain, begun, clock)


@asynccontextmanager
async def open_store(settings: Settings, telemetry: Telemetry) -> AsyncIterator[PlainStore]:
    """The media store of the settings. ConfigurationError, StorageUnavailable."""
    yield open_folder(settings, telemetry)


def open_folder(settings: Settings, telemetry: Telemetry) -> FilesystemMediaStore:
    """The media store in the folder of the settings. ConfigurationError, StorageUnavailable."""
    if settings.media_root is None:
        close_home(settings.home)
    with naming("MEDIA_ROOT"):
        return FilesystemMediaStore(settings.media_folder, telemetry=telemetry)
