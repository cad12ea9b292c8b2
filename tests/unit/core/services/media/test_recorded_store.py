"""A file is recorded before it is complete, and is written although it cannot be recorded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from datetime import datetime, timedelta

import pytest
from photochanger.adapters.memory import FakeClock, MemoryBegunFiles, MemoryMediaStore
from photochanger.core.domain.errors import QueueUnavailable, StorageUnavailable
from photochanger.core.domain.media import MediaKey, MediaKind, one_chunk
from photochanger.core.services.media import recorded_store
from photochanger.core.services.media.recorded_store import RecordedMediaStore

pytestmark = pytest.mark.anyio

KIND = MediaKind.RESULTS
SECOND = timedelta(seconds=1)


class Records(MemoryBegunFiles):
    """Records that fail, or wait for ever, while the database is away."""

    def __init__(self) -> None:
        super().__init__()
        self.fault: str | None = None
        self.asked = 0
        self.gate: asyncio.Event | None = None
        """What a record waits for."""

    async def add(self, keys: Collection[MediaKey], *, now: datetime) -> None:
        self.asked += 1
        if self.fault == "away":
            raise QueueUnavailable("The database cannot be reached.")
        if self.fault == "silent":
            await asyncio.Event().wait()
        if self.gate is not None:
            await self.gate.wait()
        await super().add(keys, now=now)


class Rig:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.records = Records()
        self.files = MemoryMediaStore()
        self.store = RecordedMediaStore(self.files, self.records, self.clock)

    async def put(self, name: str) -> None:
        await self.store.put(KIND, name, one_chunk(b"a picture"), max_bytes=100)

    async def recorded(self, *, seconds_ago: float = -1) -> list[str]:
        moment = self.clock.now() - timedelta(seconds=seconds_ago)
        return [key.name for key in await self.records.before(moment, KIND, limit=100)]


async def test_no_file_is_complete_before_its_record_is_stored() -> None:
    rig = Rig()
    sent = asyncio.Event()
    rig.records.gate = asyncio.Event()

    async def data() -> AsyncIterator[bytes]:
        yield b"a picture"
        sent.set()

    putting = asyncio.create_task(rig.store.put(KIND, "one", data(), max_bytes=100))
    await sent.wait()
    for _ in range(10):
        await asyncio.sleep(0)
    assert rig.files.files == {}
    rig.records.gate.set()
    await putting
    assert ([*rig.files.files], await rig.recorded()) == ([MediaKey(KIND, "one")], ["one"])


async def test_a_write_that_fails_or_is_cancelled_leaves_no_task() -> None:
    rig = Rig()
    rig.records.gate = asyncio.Event()
    before = asyncio.all_tasks()

    async def fails() -> AsyncIterator[bytes]:
        yield b"a picture"
        raise ValueError("the client has gone")

    with pytest.raises(ValueError, match="gone"):
        await rig.store.put(KIND, "one", fails(), max_bytes=100)
    putting = asyncio.create_task(rig.put("two"))
    await asyncio.sleep(0)
    putting.cancel()
    await asyncio.gather(putting, return_exceptions=True)
    assert putting.cancelled()
    assert (asyncio.all_tasks(), rig.files.files) == (before, {})


async def test_a_file_that_arrives_slowly_is_recorded_every_minute() -> None:
    rig = Rig()

    async def data() -> AsyncIterator[bytes]:
        for _ in range(10):
            yield b"a piece"
            await rig.clock.advance(59 * SECOND)
            assert await rig.recorded(seconds_ago=120) == []

    await rig.store.put(KIND, "one", data(), max_bytes=100)
    assert rig.records.asked > 4


@pytest.mark.parametrize("fault", ["away", "silent"])
async def test_without_a_database_files_are_written_with_a_note(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorded_store, "_PATIENCE_SECONDS", 0.01)
    rig = Rig()
    rig.records.fault = fault
    for name in ("one", "two", "three"):
        await rig.put(name)
    assert rig.records.asked == 1, "one failure is not repeated for each file"
    assert len(rig.files.files) == 3
    await rig.clock.advance(5 * SECOND)
    await rig.put("four")
    assert (rig.records.asked, await rig.recorded()) == (2, [])
    assert {key.name for key in await rig.files.noted()} == {"one", "two", "three", "four"}
    rig.records.fault = None
    await rig.clock.advance(5 * SECOND)
    await rig.put("five")
    await rig.put("six")
    assert (rig.records.asked, await rig.recorded()) == (4, ["five", "six"])
    assert len(await rig.files.noted()) == 4


async def test_a_fault_of_the_store_is_waited_out_with_the_note(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig()
    rig.records.fault = "away"
    faults = [StorageUnavailable("full")] * 2
    note = rig.files.note

    async def failing(key: MediaKey) -> None:
        if faults:
            raise faults.pop()
        await note(key)

    monkeypatch.setattr(rig.files, "note", failing)
    seen = []

    async def on_fault(error: StorageUnavailable) -> None:
        seen.append(error)

    with pytest.raises(StorageUnavailable):
        await rig.put("one")
    await rig.store.put(KIND, "two", one_chunk(b"a picture"), max_bytes=100, on_fault=on_fault)
    assert len(seen) == 1
    assert [key.name for key in await rig.files.noted()] == ["two"]
