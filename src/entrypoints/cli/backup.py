"""`photochanger backup` and `restore`: database, media and the secret key in one tar file."""

from __future__ import annotations

import asyncio
import contextlib
import tarfile
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from functools import partial
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

import click
import msgspec

from ...adapters.atomic_file import atomic_file
from ...adapters.postgres import (
    Database,
    Snapshot,
    TableShape,
    TargetNotEmpty,
    TransferFailed,
    filling,
    migrate,
    require_empty,
    require_known,
    snapshot,
)
from ...adapters.system_clock import SystemClock
from ...core.domain.errors import MediaNotFound
from ...core.domain.media import MediaKey, MediaKind
from ...core.ports.media_store import MediaStore
from ...core.ports.repositories.file_records import BegunFiles, OwnedFiles
from ..config import Settings
from ..container import make_container
from ..data_folder import close_home
from ..media_wiring import PlainStore
from .runtime import configured, open_container, run_async

_FORMAT = 1
_MANIFEST = "manifest.json"
_SECRET = "secret.key"
_CHUNK_BYTES = 256 * 1024
_BATCH = 1_000
"""How many files are recorded at once."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The contents of a backup; `rows` by table."""

    format: int
    version: str
    revision: str
    made_at: datetime
    tables: tuple[TableShape, ...]
    rows: dict[str, int]


class TransferStats(msgspec.Struct, frozen=True):
    """What a backup or restore has copied."""

    rows: int
    files: int


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def backup(file: Path) -> None:
    """Write database, media and the secret key to FILE, a tar archive. The service may be running.

    Protect FILE like the service itself: it contains pictures of guests, stored API keys and the key to decrypt them.
    """
    written = run_async(back_up(configured(), file))
    click.echo(f"{written.rows} rows and {written.files} files written to {file}.")


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
def restore(file: Path) -> None:
    """Restore the backup FILE into an empty home, or an empty database and media folder. Stop the service first."""
    restored = run_async(restore_backup(configured(), file))
    click.echo(f"{restored.rows} rows and {restored.files} files restored.")


async def back_up(settings: Settings, file: Path) -> TransferStats:
    """Write everything to a new file that only this user can read; the service may be running.

    The rows are a snapshot. The files that rows own are copied after them: files that were swept in between had
    expired. The file appears complete or not at all.

    ConfigurationError (the secret key is not that of the database), FileExistsError, QueueUnavailable,
    StorageUnavailable, OSError.
    """
    folder = await asyncio.to_thread(_folder_of_new_file, file)
    with_key = settings.secret_key is None and await asyncio.to_thread(settings.secret_key_file.exists)
    async with open_container(settings, uses_key=with_key) as container:
        database, store = await container.get(Database), await container.get(MediaStore)
        owned = await container.get(OwnedFiles)
        with atomic_file(file, replace=False) as output, tarfile.open(fileobj=output, mode="w") as tar:
            rows = await asyncio.to_thread(_save_tables, database.url, tar, folder)
            if with_key:
                tar.add(settings.secret_key_file, _SECRET)
            files = await _save_media(store, owned, tar)
    return TransferStats(rows, files)


async def restore_backup(settings: Settings, file: Path) -> TransferStats:
    """Restore a backup into an empty home, database and media store; then update the schema.

    The database is filled last, in one transaction: a failed restore can leave files in the media store, but no rows.
    TargetNotEmpty, TransferFailed (not a backup, or of a newer version), QueueUnavailable, StorageUnavailable, OSError.
    """
    with _opened_backup(file) as tar:
        manifest = _manifest(tar)
        require_known(manifest.revision)
        secret = _read(tar, _SECRET) if _SECRET in tar.getnames() else None
        kept = settings.secret_key_file
        if secret is not None and kept.exists() and kept.read_bytes() != secret:
            raise TargetNotEmpty(f"{kept} exists and differs from the secret key of the backup.")
        container = make_container(settings)
        try:
            database, store = await container.get(Database), await container.get(PlainStore)
            if not await store.is_empty():
                raise TargetNotEmpty("The media store must be empty, but contains files.")
            await asyncio.to_thread(require_empty, database.url)
            files = await _restore_media(store, tar)
            if secret is not None and settings.secret_key is None and not kept.exists():
                close_home(settings.home)
                with atomic_file(kept, replace=False) as output:
                    output.write(secret)
            await asyncio.to_thread(_restore_tables, database.url, tar, manifest)
            await _record(await container.get(BegunFiles), files)
        finally:
            await container.close()
    return TransferStats(sum(manifest.rows.values()), len(files))


def _folder_of_new_file(file: Path) -> Path:
    if file.exists():
        raise FileExistsError(f"{file} exists already")
    return file.absolute().parent


def _save_tables(url: str, tar: tarfile.TarFile, folder: Path) -> int:
    """Write the manifest and the tables. Spools the tables in `folder`: a tar file needs sizes before contents."""
    with TemporaryDirectory(prefix=".photochanger-", dir=folder) as name, snapshot(url) as tables:
        return _save_snapshot(tables, tar, Path(name))


def _save_snapshot(tables: Snapshot, tar: tarfile.TarFile, folder: Path) -> int:
    for table in tables.tables:
        with (folder / table.name).open("wb") as spool:
            spool.writelines(tables.copy(table))
    manifest = Manifest(
        format=_FORMAT,
        version=version("photochanger"),
        revision=tables.revision,
        made_at=SystemClock().now(),
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


async def _save_media(store: MediaStore, owned: OwnedFiles, tar: tarfile.TarFile) -> int:
    files = 0
    for kind in MediaKind:
        async for file in owned.of_kind(kind):
            # Swept in the meantime, or a preview that was not made.
            with contextlib.suppress(MediaNotFound, FileNotFoundError):
                async with store.local(file.key) as path:
                    await asyncio.to_thread(tar.add, path, f"media/{kind}/{file.key.name}")
                files += 1
    return files


async def _restore_media(store: MediaStore, tar: tarfile.TarFile) -> list[MediaKey]:
    restored = []
    for member in tar:
        folder, _, rest = member.name.partition("/")
        if folder != "media" or not member.isfile():
            continue
        kind, _, name = rest.partition("/")
        try:
            key = MediaKey(MediaKind(kind), name)
        except ValueError:
            raise TransferFailed(f"The backup contains {member.name!r}, which is not a file of PhotoChanger.") from None
        content = tar.extractfile(member)
        assert content is not None  # `isfile()` is true
        await store.put(key.kind, key.name, _chunks(content), max_bytes=member.size)
        restored.append(key)
    return restored


async def _record(begun: BegunFiles, keys: list[MediaKey]) -> None:
    """Let the sweeper look at the restored files: those written after the snapshot of the rows have no owner."""
    for at in range(0, len(keys), _BATCH):
        await begun.add(keys[at : at + _BATCH], now=SystemClock().now())


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
        raise TransferFailed(f"{file} is not a complete backup of PhotoChanger: {error}.") from error


def _manifest(tar: tarfile.TarFile) -> Manifest:
    try:
        manifest = msgspec.json.decode(_read(tar, _MANIFEST), type=Manifest)
    except msgspec.DecodeError as error:
        raise TransferFailed(f"The file is not a backup of PhotoChanger: {error}.") from error
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
        raise TransferFailed(f"The file is not a complete backup of PhotoChanger: {name} is missing.")
    return content
