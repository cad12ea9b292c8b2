"""The media store that the settings ask for: a folder of this machine, or a bucket of an S3 service."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Protocol

from dishka import AsyncContainer, Provider, Scope, provide

from ..adapters.filesystem import FilesystemMediaStore
from ..adapters.s3 import S3Settings
from ..core.domain.errors import ConfigurationError, StorageUnavailable
from ..core.ports.clock import Clock
from ..core.ports.media_store import MediaStore
from ..core.ports.repositories.file_records import BegunFiles
from ..core.ports.telemetry import Telemetry
from ..core.services.media.recorded_store import RecordedMediaStore
from .config import PREFIX, Settings
from .data_folder import close_home, naming

if TYPE_CHECKING:
    from ..adapters.s3.bucket import Bucket

_log = logging.getLogger("photochanger.start")


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
    if settings.s3_bucket is None:
        yield open_folder(settings, telemetry)
        return
    with _naming_the_extra():
        from ..adapters.s3.store import S3MediaStore
    bucket = S3Settings(
        bucket=settings.s3_bucket,
        endpoint=settings.s3_endpoint,
        region=settings.s3_region,
        prefix=settings.s3_prefix,
        access_key_id=settings.s3_access_key_id,
        secret_access_key=settings.s3_secret_access_key,
    )
    async with S3MediaStore.connect(bucket, telemetry=telemetry) as store:
        yield store


def open_folder(settings: Settings, telemetry: Telemetry) -> FilesystemMediaStore:
    """The media store in the folder of the settings. ConfigurationError, StorageUnavailable."""
    if settings.media_root is None:
        close_home(settings.home)
    with naming("MEDIA_ROOT"):
        return FilesystemMediaStore(settings.media_folder, telemetry=telemetry)


async def bucket_of(container: AsyncContainer) -> Bucket | None:
    """The bucket of the settings; None where the media store is a folder. ConfigurationError, StorageUnavailable."""
    if (await container.get(Settings)).s3_bucket is None:
        return None
    store = await container.get(PlainStore)
    with _naming_the_extra():
        from ..adapters.s3.store import S3MediaStore
    return store.bucket if isinstance(store, S3MediaStore) else None  # an embedding program may give another one


async def require_media_store(container: AsyncContainer, *, waits: bool = True) -> None:
    """Return if the bucket of the settings, if there is one, can be used as the service needs it.

    ConfigurationError where bucket, key or rights are wrong. A store that is away is no reason not to start: photos
    wait for it while their window lasts. It is only logged, or raised as StorageUnavailable where nothing `waits`.
    """
    if (bucket := await bucket_of(container)) is None:
        return
    from ..adapters.s3.access import require_access

    try:
        await require_access(bucket)
    except StorageUnavailable as error:
        if not waits:
            raise
        _log.warning("the media store cannot be examined: %s", error.detail)


@contextmanager
def _naming_the_extra() -> Iterator[None]:
    """Raise ConfigurationError where a package of the extra is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        detail = f"needs the extra `s3` ({error.name} is not installed): pip install 'photochanger[s3]'"
        raise ConfigurationError(PREFIX + "S3_BUCKET", detail) from error
