"""The metrics of a worker as lines for its service: each is also a sign that the worker's event loop runs."""

from __future__ import annotations

import asyncio
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO

import pytest
from photochanger.adapters.telemetry import OpenTelemetry, decode_families, total
from photochanger.core.services.support.concurrency import Supervisor
from photochanger.entrypoints.metrics.relay import written_to

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("photochanger.entrypoints.metrics.relay._WRITE_SECONDS", 0.0)


def piped() -> tuple[BinaryIO, BinaryIO]:
    read, write = os.pipe()
    return os.fdopen(read, "rb"), os.fdopen(write, "wb")


async def next_line(read: BinaryIO, reading: ThreadPoolExecutor) -> bytes:
    async with asyncio.timeout(120):
        return await asyncio.get_running_loop().run_in_executor(reading, read.readline)


async def test_metrics_are_sent_when_they_changed_and_empty_lines_in_between() -> None:
    telemetry, supervisor, (read, write) = OpenTelemetry(), Supervisor(), piped()
    telemetry.worker_replaced("silent")
    with read, ThreadPoolExecutor(1) as reading:
        async with supervisor.guard(), written_to(write, telemetry, supervisor):
            first = decode_families(await next_line(read, reading))
            assert total(first, "photochanger_workers_replaced", "cause") == {"silent": 1.0}
            assert [await next_line(read, reading) for _ in range(3)] == [b"\n"] * 3
            telemetry.worker_replaced("ended")
            while (line := await next_line(read, reading)) == b"\n":
                pass
            changed = decode_families(line)
            assert total(changed, "photochanger_workers_replaced", "cause") == {"silent": 1.0, "ended": 1.0}
            telemetry.worker_replaced("ended")  # perhaps it is the last line that has it
        lines = read.readlines()
    last = next(line for line in reversed([line, *lines]) if line != b"\n")
    assert total(decode_families(last), "photochanger_workers_replaced", "cause") == {"silent": 1.0, "ended": 2.0}


async def test_jobs_that_keep_the_default_executor_busy_do_not_delay_the_lines() -> None:
    telemetry, supervisor, (read, write) = OpenTelemetry(), Supervisor(), piped()
    held = threading.Event()
    loop = asyncio.get_running_loop()
    loop.set_default_executor(busy := ThreadPoolExecutor(1))
    try:
        waiting = loop.run_in_executor(None, held.wait)
        with read, ThreadPoolExecutor(1) as reading:
            async with supervisor.guard(), written_to(write, telemetry, supervisor):
                for _ in range(3):
                    assert (await next_line(read, reading)).endswith(b"\n")
                assert not waiting.done()
            read.read()
    finally:
        held.set()
        await waiting
        busy.shutdown()
