"""Whole objects by obstore: stored, measured, read, removed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import timedelta
from typing import TYPE_CHECKING

import obstore
from obstore.store import S3Store

from .credentials import CredentialSource
from .faults import OBSTORE_ERRORS, S3Unavailable, from_obstore, too_slow
from .settings import S3Bounds, S3Settings

if TYPE_CHECKING:
    from obstore import GetOptions, GetResult
    from obstore.store import S3Credential

_LONG = timedelta(days=1)
_CHUNK_BYTES = 128 * 1024
_MAX_CHUNK_BYTES = 512 * 1024
_MAX_PAUSE_SECONDS = 2.0
_MAX_NAMES = 1000


class ObjectMissing(Exception):
    """There is no such object, or no such bucket: the answers to some questions look the same."""


class Objects:
    """The objects of one bucket by their whole keys. Methods raise S3Unavailable; ObjectMissing where it is named."""

    def __init__(self, settings: S3Settings, credentials: CredentialSource, bounds: S3Bounds) -> None:
        self._credentials = credentials
        self._bounds = bounds
        self._calls = self._store(settings, timedelta(seconds=bounds.seconds_for(bounds.part_bytes)))
        self._reads = self._store(settings, _LONG, inactivity=bounds.inactivity)  # a guest may read slowly

    async def put(self, key: str, data: bytes, *, write_id: str) -> None:
        """Store an object, which replaces one of the same key; the service compares it with its SHA-256."""
        try:
            async with asyncio.timeout(self._bounds.seconds_for(len(data))):
                await obstore.put_async(self._calls, key, data, attributes={"write": write_id}, use_multipart=False)
        except TimeoutError:
            raise too_slow() from None
        except OBSTORE_ERRORS as error:
            raise from_obstore(error) from None

    async def size(self, key: str) -> int:
        """The size in bytes; ObjectMissing."""
        try:
            async with asyncio.timeout(self._bounds.seconds_for(0)):
                return (await obstore.head_async(self._calls, key))["size"]
        except TimeoutError:
            raise too_slow() from None
        except FileNotFoundError:
            raise ObjectMissing from None
        except OBSTORE_ERRORS as error:
            raise from_obstore(error) from None

    async def delete(self, key: str) -> None:
        """Remove the object; does nothing if it does not exist. ObjectMissing where the bucket may not."""
        try:
            async with asyncio.timeout(self._bounds.seconds_for(0)):
                await obstore.delete_async(self._calls, key)
        except TimeoutError:
            raise too_slow() from None
        except FileNotFoundError:
            raise ObjectMissing from None
        except OBSTORE_ERRORS as error:
            raise from_obstore(error) from None

    async def names(self, folder: str) -> list[str]:
        """The names of the objects right below a folder, or some of them where there are more than a thousand."""
        try:
            async with asyncio.timeout(self._bounds.seconds_for(0)):
                stream = obstore.list(self._calls, folder, chunk_size=_MAX_NAMES)
                async for found in stream:
                    return [each["path"].removeprefix(f"{folder}/") for each in found]
                return []
        except TimeoutError:
            raise too_slow() from None
        except OBSTORE_ERRORS as error:
            raise from_obstore(error) from None

    async def read(self, key: str, *, start: int, end: int | None) -> AsyncGenerator[bytes, None]:
        """The bytes of this range, in chunks; ObjectMissing before the first chunk.

        A reading that breaks is continued where it stopped, if the object is still the same.
        """
        at, stop, etag, failures = start, end, None, 0
        while True:
            try:
                got = await self._get(key, at, end, etag)
                stop = got.range[1]
                async with aclosing(self._stream(got)) as pieces:
                    async for piece in pieces:
                        etag, failures = got.meta["e_tag"], 0
                        at += len(piece)
                        for first in range(0, len(piece), _MAX_CHUNK_BYTES):
                            yield piece[first : first + _MAX_CHUNK_BYTES]
                return
            except ObjectMissing:
                if at == start:
                    raise
                raise _changed() from None
            except S3Unavailable as error:
                if at == stop or error.status == 416:
                    return  # from the end of the object on there is nothing
                failures += 1
                if at == start or failures >= self._bounds.read_attempts:
                    raise
            await asyncio.sleep(min(0.1 * 2**failures, _MAX_PAUSE_SECONDS))

    async def _get(self, key: str, start: int, end: int | None, etag: str | None) -> GetResult:
        options: GetOptions = {}
        if end is not None:
            options["range"] = (start, end)
        elif start > 0:
            options["range"] = {"offset": start}
        if etag is not None:
            options["if_match"] = etag
        try:
            async with asyncio.timeout(self._bounds.seconds_for(0)):
                return await obstore.get_async(self._reads, key, options=options)
        except TimeoutError:
            raise too_slow() from None
        except FileNotFoundError:
            raise ObjectMissing from None
        except obstore.exceptions.PreconditionError:
            raise ObjectMissing from None
        except OBSTORE_ERRORS as error:
            raise from_obstore(error) from None

    async def _stream(self, got: GetResult) -> AsyncGenerator[bytes, None]:
        pieces = aiter(got.stream(min_chunk_size=_CHUNK_BYTES))
        while True:
            try:
                async with asyncio.timeout(self._bounds.inactivity.total_seconds()):
                    piece = await anext(pieces)
            except StopAsyncIteration:
                return
            except TimeoutError:
                raise too_slow() from None
            except OBSTORE_ERRORS as error:
                raise from_obstore(error) from None
            yield piece

    def _store(self, settings: S3Settings, timeout: timedelta, *, inactivity: timedelta | None = None) -> S3Store:
        async def credentials() -> S3Credential:
            found = await self._credentials.current()
            return {
                "access_key_id": found.access_key_id,
                "secret_access_key": found.secret_access_key,
                "token": found.session_token,
                "expires_at": found.expires_at,
            }

        return S3Store(
            settings.bucket,
            # Each one, so that no AWS_* variable decides half of it.
            endpoint=settings.address,
            aws_endpoint_url_s3=settings.address,
            region=settings.region,
            virtual_hosted_style_request=False,
            skip_signature=False,
            unsigned_payload=False,
            checksum_algorithm="SHA256",
            disable_bulk_delete=True,
            credential_provider=credentials,
            client_options={
                "allow_http": True,
                "timeout": timeout,
                "connect_timeout": self._bounds.connect,
                "read_timeout": inactivity or timeout,  # it includes the time in which a body is sent
                "pool_idle_timeout": timedelta(seconds=10),
            },
            retry_config={
                "max_retries": 2,
                "retry_timeout": timedelta(seconds=1),
                "backoff": {
                    "init_backoff": timedelta(milliseconds=50),
                    "max_backoff": timedelta(milliseconds=400),
                    "base": 2,
                },
            },
        )


def _changed() -> S3Unavailable:
    return S3Unavailable("The file was removed or replaced while it was read.")
