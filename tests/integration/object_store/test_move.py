"""`photochanger media move`, `backup` and `restore` with a bucket, as processes; one of them is killed."""

from __future__ import annotations

import asyncio
import secrets
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from photochanger.adapters.filesystem import FilesystemMediaStore
from photochanger.adapters.postgres import EmbeddedServer
from photochanger.core.domain.media import MediaKind, one_chunk

from tests.support.builders import media_object
from tests.support.commands import run_command
from tests.support.postgres_backend import open_backend
from tests.support.s3_relay import Hold, S3Relay
from tests.support.seaweedfs import SeaweedServer
from tests.support.service import command, environment, eventually

from .bucket import Bucket

FILES = 40


async def fill(url: str, folder: Path) -> dict[str, bytes]:
    """Media objects with their files in the folder; the content of each by its key."""
    files = {}
    store = FilesystemMediaStore(folder)
    later = datetime.now(UTC) + timedelta(hours=1)
    async with open_backend(url) as backend:
        for _ in range(FILES):
            data = secrets.token_bytes(20_000)
            file = await store.put(MediaKind.MEDIA, f"{uuid4()}.jpg", one_chunk(data), max_bytes=len(data))
            await backend.media.add(media_object(file=file, expires_at=later))
            files[str(file.key)] = data
    return files


def in_folder(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def in_bucket(bucket: Bucket) -> dict[str, bytes]:
    return {key: bucket.content(key) for key in bucket.names()}


def test_files_move_although_the_command_is_killed_and_back_and_into_a_backup(
    tmp_path: Path,
    postgres_url: str,
    postgres_server: EmbeddedServer,
    seaweedfs: SeaweedServer,
    bucket: Bucket,
    relay: S3Relay,
) -> None:
    folder = tmp_path / "media"
    files = asyncio.run(fill(postgres_url, folder))
    environ = environment(tmp_path, database_url=postgres_url, **bucket.settings)
    held_key = sorted(files)[FILES // 2]
    hold = Hold(asyncio.Event(), asyncio.Event())
    relay.spoil(f"PUT .*{held_key}", hold)
    killed = subprocess.Popen(command("media", "move", "--to", "s3"), env=environ, stdout=subprocess.DEVNULL)
    eventually(hold.came.is_set)
    killed.kill()
    killed.wait()
    left, copied = in_folder(folder), in_bucket(bucket)
    assert held_key in left
    assert left | copied == files

    def done(*arguments: str, environ: dict[str, str]) -> str:
        ended = run_command(*arguments, env=environ)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    said = done("media", "move", "--to", "s3", environ=environ)
    assert f"{len(left)} files moved" in said or "were there already" in said
    assert (in_folder(folder), in_bucket(bucket)) == ({}, files)

    file, other = tmp_path / "backup.tar", Bucket(seaweedfs, relay)
    done("backup", str(file), environ=environ)
    name = f"restored_{uuid4().hex}"
    postgres_server.ensure_database(name)
    elsewhere = environment(tmp_path / "other", database_url=postgres_server.url(name), **other.settings)
    done("restore", str(file), environ=elsewhere)
    assert in_bucket(other) == files
    refused = run_command("restore", str(file), env=elsewhere)
    assert refused.returncode == 1
    assert "must be empty" in refused.stderr

    done("media", "move", "--to", "folder", environ=environ)
    assert (in_folder(folder), in_bucket(bucket)) == (files, {})


def test_nothing_moves_without_a_bucket(tmp_path: Path, postgres_url: str) -> None:
    refused = run_command("media", "move", "--to", "folder", env=environment(tmp_path, database_url=postgres_url))
    assert (refused.returncode, len(refused.stderr.splitlines())) == (2, 1)
    assert refused.stderr.startswith("photochanger: PHOTOCHANGER_S3_BUCKET")
