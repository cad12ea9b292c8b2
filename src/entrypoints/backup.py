"""Backup and restore: database, media and the secret that seals stored keys, in one tar file."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import tarfile
import tempfile
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from typing import IO

import msgspec

from ..adapters.postgres import (
    Database,
    TableShape,
    TargetNotEmpty,
    TransferFailed,
    filling,
    migrate,
    require_empty,
    require_known,
    snapshot,
)
from ..core.domain.errors import MediaNotFound
from ..core.domain.media import MediaKey, MediaKind
from ..core.ports.media_store import MediaStore
from .config import Settings, secret_key_file
from .container import make_container
from .opened import opened

_FORMAT = 1
_MANIFEST = "manifest.json"
_SECRET = "secret.key"
_CHUNK_BYTES = 256 * 1024
_EVERYTHING = timedelta(days=1)
"""Files are asked for by age; those written while the backup runs are younger than now."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup says of itself; `rows` by table."""

    format: int
    version: str
    revision: str
    made_at: datetime
    tables: tuple[TableShape, ...]
    rows: dict[str, int]


class TransferStats(msgspec.Struct, frozen=True):
    """How much a backup or a restore has moved."""

    rows: int
    files: int


async def back_up(settings: Settings, file: Path) -> TransferStats:
    """Write everything to a file that only this user can read; the service may go on meanwhile.

    The rows are those of one moment. Media are copied after them: what was swept in between had expired. The file
    appears whole or not at all. FileExistsError, QueueUnavailable, StorageUnavailable, OSError.
    """
    await asyncio.to_thread(_require_free, file)
    async with opened(settings) as container:
        database, store = await container.get(Database), await container.get(MediaStore)
        with _half_written(file) as folder:
            part = folder / "backup.tar"
            with _private(part) as output, tarfile.open(fileobj=output, mode="w") as tar:
                rows = await asyncio.to_thread(_save_tables, database.url, tar, folder)
                if settings.secret_key is None and (secret := secret_key_file(settings)).exists():
                    tar.add(secret, _SECRET)
                files = await _save_media(store, tar)
            await asyncio.to_thread(_publish, part, file)
    return TransferStats(rows, files)


async def restore(settings: Settings, file: Path) -> TransferStats:
    """Bring a backup into a home, database and media store that are empty; the schema is brought up to date after.

    Raises TargetNotEmpty, TransferFailed (not a backup, or of a newer version), QueueUnavailable, StorageUnavailable,
    OSError. What fails half-way leaves files behind in the media store; the database is filled last, in one step.
    """
    with _opened_backup(file) as tar:
        manifest = _manifest(tar)
        require_known(manifest.revision)
        secret = _read(tar, _SECRET) if _SECRET in tar.getnames() else None
        kept = secret_key_file(settings)
        if secret is not None and kept.exists() and kept.read_bytes() != secret:
            raise TargetNotEmpty(f"{kept} is there already, and another one than that of the backup.")
        container = make_container(settings)
        try:
            database, store = await container.get(Database), await container.get(MediaStore)
            async for key in _all_keys(store):
                raise TargetNotEmpty(f"The media store has files already ({key}); an empty one is needed.")
            await asyncio.to_thread(require_empty, database.url)
            files = await _restore_media(store, tar)
            if secret is not None and settings.secret_key is None and not kept.exists():
                with _private(kept) as output:
                    output.write(secret)
            await asyncio.to_thread(_restore_tables, database.url, tar, manifest)
        finally:
            await container.close()
    return TransferStats(sum(manifest.rows.values()), files)


def _save_tables(url: str, tar: tarfile.TarFile, folder: Path) -> int:
    """Each table is spooled to a file first: a tar file tells sizes before contents, and the manifest the rows."""
    with snapshot(url) as tables:
        for table in tables.tables:
            with _private(folder / table.name) as spool:
                spool.writelines(tables.copy(table))
        manifest = Manifest(
            format=_FORMAT,
            version=version("photochanger"),
            revision=tables.revision,
            made_at=datetime.now(UTC),
            tables=tables.tables,
            rows=tables.rows,
        )
    text = msgspec.json.format(msgspec.json.encode(manifest))
    head = tarfile.TarInfo(_MANIFEST)
    head.size, head.mtime = len(text), int(manifest.made_at.timestamp())
    tar.addfile(head, BytesIO(text))
    for table in manifest.tables:
        tar.add(folder / table.name, _table_name(table))
        (folder / table.name).unlink()
    return sum(manifest.rows.values())


async def _save_media(store: MediaStore, tar: tarfile.TarFile) -> int:
    files = 0
    async for key in _all_keys(store):
        with contextlib.suppress(MediaNotFound, FileNotFoundError):  # swept meanwhile
            async with store.local(key) as path:
                await asyncio.to_thread(tar.add, path, f"media/{key.kind}/{key.name}")
            files += 1
    return files


async def _all_keys(store: MediaStore) -> AsyncIterator[MediaKey]:
    for kind in MediaKind:
        async for key in store.keys(kind, older_than=datetime.now(UTC) + _EVERYTHING):
            yield key


async def _restore_media(store: MediaStore, tar: tarfile.TarFile) -> int:
    files = 0
    for member in tar:
        folder, _, rest = member.name.partition("/")
        if folder != "media" or not member.isfile():
            continue
        kind, _, name = rest.partition("/")
        try:
            key = MediaKey(MediaKind(kind), name)
        except ValueError:
            raise TransferFailed(f"The backup has a file {member.name!r}, none of PhotoChanger's.") from None
        content = tar.extractfile(member)
        assert content is not None  # a file, as was asked
        await store.put(key.kind, key.name, _chunks(content), max_bytes=member.size)
        files += 1
    return files


async def _chunks(content: IO[bytes]) -> AsyncIterator[bytes]:
    while chunk := await asyncio.to_thread(content.read, _CHUNK_BYTES):
        yield chunk


def _restore_tables(url: str, tar: tarfile.TarFile, manifest: Manifest) -> None:
    with filling(url, manifest.revision) as target:
        for table in manifest.tables:
            content = _member(tar, _table_name(table))
            target.fill(table, iter(partial(content.read, _CHUNK_BYTES), b""))
        target.finish(manifest.rows)
    migrate(url)


def _table_name(table: TableShape) -> str:
    return f"tables/{table.name}.copy"


@contextlib.contextmanager
def _opened_backup(file: Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(file, "r:") as tar:
            yield tar
    except tarfile.TarError as error:
        raise TransferFailed(f"{file} is no whole backup of PhotoChanger: {error}.") from error


def _manifest(tar: tarfile.TarFile) -> Manifest:
    try:
        manifest = msgspec.json.decode(_read(tar, _MANIFEST), type=Manifest)
    except msgspec.DecodeError as error:
        raise TransferFailed(f"The file is no backup of PhotoChanger: {error}.") from error
    if manifest.format != _FORMAT:
        raise TransferFailed("The backup was made by a newer version of PhotoChanger.")
    return manifest


def _read(tar: tarfile.TarFile, name: str) -> bytes:
    return _member(tar, name).read()


def _member(tar: tarfile.TarFile, name: str) -> IO[bytes]:
    try:
        content = tar.extractfile(name)
    except KeyError:
        content = None
    if content is None:
        raise TransferFailed(f"The file is no whole backup of PhotoChanger: it has no {name}.")
    return content


@contextlib.contextmanager
def _half_written(file: Path) -> Iterator[Path]:
    """A folder beside the file, for this user alone, removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix=f".{file.name}.", dir=file.absolute().parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _require_free(file: Path) -> None:
    if file.exists():
        raise FileExistsError(f"{file} exists already")


def _private(path: Path) -> IO[bytes]:
    """A new file that only this user can read."""
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w+b")


def _publish(part: Path, file: Path) -> None:
    """Make the finished file durable and give it its name, which is still free."""
    with part.open("rb") as written:
        os.fsync(written.fileno())
    os.link(part, file)
