"""The worker process of a service when the machine cannot start one."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from photochanger import Settings
from photochanger.entrypoints.worker import supervisor

pytestmark = pytest.mark.anyio


async def test_a_worker_that_cannot_be_started_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    worker = supervisor.WorkerProcess(Settings(home=tmp_path), "postgresql://nowhere/")
    monkeypatch.setattr(supervisor, "_RESTART_PAUSE", timedelta(0))
    tries = 0

    async def no_process_left(*_: object, **__: object) -> asyncio.subprocess.Process:
        nonlocal tries
        tries += 1
        if tries == 3:
            worker.stop()
        raise BlockingIOError("Resource temporarily unavailable")

    monkeypatch.setattr(asyncio, "create_subprocess_exec", no_process_left)
    await worker.run()
    assert tries == 3
    assert caplog.text.count("starting the worker process failed: Resource temporarily unavailable") == 3
