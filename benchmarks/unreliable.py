"""Unreliable providers for the measured worker: one that fails in every possible way, one with a long latency tail."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from photochanger.core.domain.costs.call_cost import CallCost
from photochanger.core.domain.media import PictureNeeds
from photochanger.core.domain.routing.provider_check import ProviderFinding
from photochanger.core.domain.slots.slot import Route, RouteEntry
from photochanger.core.ports.provider import (
    Down,
    OperationInfo,
    ProviderInfo,
    ProviderRequest,
    ProviderResult,
    Retryable,
)

STAMPS = "BENCH_STAMPS"
"""The variable of the environment that names the folder of the times at which `stamped` answered."""

OPERATION = "edit"
FAILING_SHARE = 0.3
_NEEDS = PictureNeeds(("image/jpeg",), max_bytes=64 * 1024 * 1024, max_pixels=100_000_000)


class MoodyProvider:
    """Behaves as `behaviour` decides for each call, the same on each run."""

    def __init__(
        self, id: str, behaviour: Callable[[random.Random, ProviderRequest], Awaitable[bytes]], *, seed: int
    ) -> None:
        operation = OperationInfo(id=OPERATION, title="Edit", settings_schema={"type": "object"}, needs=_NEEDS)
        self.info = ProviderInfo(id=id, title=id, operations=(operation,))
        self._behaviour = behaviour
        self._chance = random.Random(seed)

    def expected_cost(self, operation_id: str, settings: Mapping[str, Any]) -> CallCost | None:
        return None

    def check_settings(self, operation_id: str, settings: Mapping[str, Any]) -> None:
        """Accept any settings."""

    async def process(self, request: ProviderRequest) -> ProviderResult:
        return ProviderResult(await self._behaviour(self._chance, request))

    async def diagnose(self, used: Collection[RouteEntry]) -> list[ProviderFinding]:
        return []

    async def close(self) -> None:
        """Do nothing: there are no resources."""


async def failing(chance: random.Random, request: ProviderRequest) -> bytes:
    """A picture after 0.2 to 0.4 s; in three of ten calls one of nine failures, including a hanging call."""
    fails, which, pause = chance.random() < FAILING_SHARE, chance.randrange(9), chance.uniform(0.2, 0.4)
    await asyncio.sleep(pause)
    if not fails:
        return request.photo.data
    match which:
        case 0:
            raise Retryable("200 without a picture")
        case 1:
            raise Retryable("429", after=timedelta(seconds=1))
        case 2:
            raise Down("503")
        case 3:
            raise Down("connection reset")
        case 4:
            return b"<html>busy</html>"
        case 5:
            return request.photo.data[: len(request.photo.data) // 2]
        case 6:
            raise TimeoutError
        case 7:
            raise Retryable("text only")
        case _:
            await asyncio.Event().wait()
    raise AssertionError("a call that hangs does not come here")


async def long_tailed(chance: random.Random, request: ProviderRequest) -> bytes:
    """Half a second; one call in twenty takes four to eight."""
    late = chance.random() < 0.05
    await asyncio.sleep(chance.uniform(4, 8) if late else chance.uniform(0.3, 0.5))
    return request.photo.data


async def stamped(chance: random.Random, request: ProviderRequest) -> bytes:
    """The photo with a comment, as services leave one, and the time of this answer in a file: see `stamp_of`."""
    comment = b"made by a benchmark"
    start, rest = request.photo.data[:2], request.photo.data[2:]
    answer = start + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + rest
    _stamp(str(request.job_id))
    return answer


def _stamp(job_id: str) -> None:
    Path(os.environ[STAMPS], job_id).write_text(str(time.time_ns()))


def stamp_of(folder: Path, job_id: str) -> int:
    """When `stamped` answered for a job, in nanoseconds of the system clock."""
    return int((folder / job_id).read_text())


def providers() -> list[MoodyProvider]:
    """All unreliable providers; twins fail independently."""
    return [
        MoodyProvider("failing", failing, seed=1),
        MoodyProvider("failing-twin", failing, seed=2),
        MoodyProvider("tailed", long_tailed, seed=3),
        MoodyProvider("tailed-twin", long_tailed, seed=4),
        MoodyProvider("stamped", stamped, seed=5),
    ]


def _route(*ids: str, hedge: bool = False) -> Route:
    return Route(entries=tuple(RouteEntry(id, OPERATION) for id in ids), hedge=hedge)


ONE_ENTRY, TWO_ENTRIES, STAMPED, TAILED, HEDGED = (f"slot-{number:03d}" for number in range(7, 12))

ROUTES = {
    ONE_ENTRY: _route("failing"),
    TWO_ENTRIES: _route("failing", "failing-twin"),
    STAMPED: _route("stamped"),
    TAILED: _route("tailed", "tailed-twin"),
    HEDGED: _route("tailed", "tailed-twin", hedge=True),
}
