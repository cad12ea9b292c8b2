"""Free memory goes back to the system once a process has grown and grows no further."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta

import pytest
from photochanger.entrypoints.process import memory
from photochanger.entrypoints.process.memory import give_back_memory, limit_arenas

pytestmark = pytest.mark.anyio

MIB = 1024 * 1024


class Ticks:
    """A clock whose sleeps last a turn of the event loop, until they are used up."""

    def __init__(self, count: int) -> None:
        self.left = count

    async def sleep(self, duration: timedelta) -> None:
        if not self.left:
            await asyncio.Event().wait()
        self.left -= 1
        await asyncio.sleep(0)


class Library:
    """A C library that notes when memory was given back."""

    def __init__(self, sizes: Iterator[int]) -> None:
        self.sizes = sizes
        self.looks = 0
        self.trims: list[int] = []

    def malloc_trim(self, keep: int) -> int:
        self.trims.append(self.looks)
        return 1

    def resident_bytes(self) -> int:
        self.looks += 1
        return next(self.sizes) * MIB


@pytest.mark.parametrize(
    ("sizes", "trims"),
    [
        ([100, 100, 100, 100], []),
        ([100, 110, 110, 110], []),
        ([100, 200, 300, 300, 120, 120, 120], [4]),
        ([100, 200, 190, 150, 200, 200, 150], [3, 6]),
        ([100, 50, 70, 70, 55], [4]),
    ],
    ids=["even", "a little", "once", "again", "from its lowest"],
)
async def test_memory_is_given_back_when_growth_has_ended(
    monkeypatch: pytest.MonkeyPatch, sizes: list[int], trims: list[int]
) -> None:
    library = Library(iter(sizes))
    monkeypatch.setattr("ctypes.CDLL", lambda name: library)
    monkeypatch.setattr(memory, "resident_bytes", library.resident_bytes)
    clock = Ticks(len(sizes) - 1 - len(trims))
    looking = asyncio.create_task(give_back_memory(clock))  # type: ignore[arg-type]
    while clock.left or library.looks < len(sizes):
        await asyncio.sleep(0)
        assert not looking.done()
    looking.cancel()
    await asyncio.wait([looking])
    assert library.trims == trims


async def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctypes.CDLL", lambda name: object())
    limit_arenas()
    await give_back_memory(Ticks(0))  # type: ignore[arg-type]
