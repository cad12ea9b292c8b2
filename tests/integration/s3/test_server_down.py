"""The service itself is killed, restarted or frozen while files are written and read."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from photochanger.adapters.s3.settings import S3Bounds
from photochanger.adapters.s3.store import S3MediaStore
from photochanger.core.domain.errors import StorageUnavailable
from photochanger.core.domain.media import MediaKey, MediaKind, one_chunk

from tests.support.s3_relay import Hold, HoldReply, S3Relay
from tests.support.seaweedfs import PATIENT, SeaweedServer

pytestmark = pytest.mark.anyio

MIB = 1024 * 1024
KIND = MediaKind.RESULTS
SIZE = 16 * MIB

PER_FILE, PROCESS = 15 * MIB, 100 * MIB
"""The most memory that a file takes on its way into the bucket, and a process that does nothing else."""


class Writing:
    """16 MiB on their way, that stop after 11 MiB until `go_on`."""

    def __init__(self) -> None:
        self.is_half_there = asyncio.Event()
        self.go_on = asyncio.Event()

    async def data(self) -> AsyncIterator[bytes]:
        for number in range(SIZE // MIB):
            if number == 11:
                self.is_half_there.set()
                await self.go_on.wait()
            yield bytes([number]) * MIB


WHOLE = b"".join(bytes([number]) * MIB for number in range(SIZE // MIB))


async def begun(store: S3MediaStore) -> tuple[AsyncIterator[bytes], list[bytes]]:
    """A reading that has its first bytes. Where they are late nothing is continued, and another one is begun."""
    while True:
        chunks = store.open(MediaKey(KIND, "read"))
        with contextlib.suppress(StorageUnavailable):
            return chunks, [await anext(chunks)]


async def test_a_write_and_a_reading_survive_a_server_that_is_killed_and_restarted(seaweedfs: SeaweedServer) -> None:
    async def again(error: StorageUnavailable) -> None:
        await asyncio.sleep(0.1)

    async with S3MediaStore.connect(seaweedfs.settings(), bounds=PATIENT) as store:
        await store.put(KIND, "read", one_chunk(WHOLE), max_bytes=SIZE)
        writing = Writing()
        async with asyncio.TaskGroup() as group:
            put = group.create_task(store.put(KIND, "write", writing.data(), max_bytes=SIZE, on_fault=again))
            await writing.is_half_there.wait()
            chunks = store.open(MediaKey(KIND, "read"))
            read = [await anext(chunks)]
            seaweedfs.kill()
            try:
                writing.go_on.set()
                rest = group.create_task(read_all(chunks))
            finally:
                await asyncio.to_thread(seaweedfs.start)
        assert b"".join([*read, rest.result()]) == WHOLE
        assert await read_all(store.open(put.result().key)) == WHOLE


async def test_a_write_and_a_reading_survive_a_server_that_is_frozen(seaweedfs: SeaweedServer) -> None:
    short = timedelta(seconds=1)
    bounds = msgspec.structs.replace(PATIENT, connect=short, call=short, inactivity=short)
    seen: list[str] = []
    async with (
        S3MediaStore.connect(seaweedfs.settings(), bounds=PATIENT) as patient,
        S3MediaStore.connect(patient.bucket.settings, bounds=bounds) as store,
    ):
        await patient.put(KIND, "read", one_chunk(WHOLE), max_bytes=SIZE)
        writing = Writing()
        thawed = asyncio.Event()

        async def thaw(error: StorageUnavailable) -> None:
            seen.append(error.detail)
            thawed.set()

        async with asyncio.TaskGroup() as group:
            put = group.create_task(store.put(KIND, "write", writing.data(), max_bytes=SIZE, on_fault=thaw))
            await writing.is_half_there.wait()
            chunks, read = await begun(store)
            with seaweedfs.frozen():
                with pytest.raises(StorageUnavailable, match="in time"):
                    await store.size(MediaKey(KIND, "read"))
                writing.go_on.set()
                rest = group.create_task(read_all(chunks))
                await thawed.wait()
        assert seen[0] == "The object store did not answer in time."
        assert b"".join([*read, rest.result()]) == WHOLE
        assert await read_all(patient.open(put.result().key)) == WHOLE


async def test_neither_a_cancelled_write_nor_the_end_waits_for_a_frozen_server(
    seaweedfs: SeaweedServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Both end after the time for cleaning, though each call would wait for hours."""
    hours = timedelta(hours=9)
    bounds = S3Bounds(connect=hours, call=hours, inactivity=hours, cleaning=timedelta(milliseconds=50))
    with ExitStack() as frozen:
        async with S3MediaStore.connect(seaweedfs.settings(), bounds=bounds) as store:
            writing = Writing()
            put = asyncio.create_task(store.put(KIND, "write", writing.data(), max_bytes=SIZE))
            await writing.is_half_there.wait()
            frozen.enter_context(seaweedfs.frozen())
            writing.go_on.set()
            await asyncio.sleep(0)
            put.cancel()
            with pytest.raises(asyncio.CancelledError):
                await put
    assert caplog.records == []


async def test_sixteen_large_files_at_once_take_little_memory(seaweedfs: SeaweedServer) -> None:
    """16 puts of 64 MiB each within the bound that docs/operations.md states."""
    settings = msgspec.json.encode(seaweedfs.settings()).decode()
    arguments = [sys.executable, "-m", "tests.support.s3_load", settings, "16", str(64 * MIB)]
    child = await asyncio.to_thread(subprocess.run, arguments, capture_output=True, text=True)
    assert child.returncode == 0, child.stderr
    peak_bytes = int(child.stdout)
    print(f"peak {peak_bytes / MIB:.0f} MiB")
    assert peak_bytes <= 16 * PER_FILE + PROCESS


async def test_a_write_and_a_reading_go_on_after_nine_seconds_of_silence(seaweedfs: SeaweedServer) -> None:
    """With the bounds of production: the server stands still with a part of one file stored, some of another sent."""
    put_held, get_held = Hold(asyncio.Event(), asyncio.Event()), HoldReply(asyncio.Event(), asyncio.Event(), 2 * MIB)
    faults: list[str] = []

    async def again(error: StorageUnavailable) -> None:
        faults.append(error.detail)

    async with (
        S3Relay(seaweedfs.url).running() as relay,
        S3MediaStore.connect(seaweedfs.settings(endpoint=relay.url)) as store,
        asyncio.TaskGroup() as group,
    ):
        await store.put(KIND, "read", one_chunk(WHOLE), max_bytes=SIZE)
        relay.spoil("partNumber=2", put_held)
        relay.spoil("GET .*read", get_held)
        put = group.create_task(store.put(KIND, "write", whole(), max_bytes=SIZE, on_fault=again))
        read = group.create_task(read_all(store.open(MediaKey(KIND, "read"))))
        await put_held.came.wait()
        await get_held.came.wait()
        with seaweedfs.frozen():
            put_held.go_on.set()
            get_held.go_on.set()
            await asyncio.sleep(9)  # the silence itself
            assert not put.done()
        assert await read == WHOLE
        assert await read_all(store.open((await put).key)) == WHOLE
        assert await store.remove_partial(older_than=datetime.now(UTC) + timedelta(hours=1)) == 0


async def whole() -> AsyncIterator[bytes]:
    for number in range(SIZE // MIB):
        yield bytes([number]) * MIB


async def read_all(chunks: AsyncIterator[bytes]) -> bytes:
    return b"".join([chunk async for chunk in chunks])
