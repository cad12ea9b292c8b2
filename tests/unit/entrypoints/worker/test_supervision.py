"""Every long-running loop has an owner: an unforeseen error is logged with what it was doing and ends the owner."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from photochanger import PhotoChanger, Settings, create_app
from photochanger.adapters.memory import memory_adapters
from photochanger.adapters.postgres import Database, EmbeddedServer
from photochanger.adapters.telemetry import OpenTelemetry
from photochanger.core.domain.job import JobState
from photochanger.core.ports.job_queue import JobQueue, JobSignals
from photochanger.core.ports.repositories.file_records import OwnedFiles
from photochanger.core.ports.repositories.guest_data import GuestData
from photochanger.core.ports.repositories.job_log import JobLog
from photochanger.core.ports.webhooks import WebhookOutbox
from photochanger.core.ports.workers import WorkerRegistry
from photochanger.core.services.jobs.event_stream import EventStream
from photochanger.core.services.support.concurrency import Supervisor
from photochanger.entrypoints.container import make_container
from photochanger.entrypoints.metrics.relay import written_to
from photochanger.entrypoints.worker.pool import PoolOptions, WorkerPool

from tests.support.world import FaultInjector, ScriptedProvider, World, never

pytestmark = pytest.mark.anyio

BLINK = timedelta(milliseconds=1)


class Defective:
    """Stands for anything; every use of it is a defect, but for the batchers that adapters make for later."""

    def batcher(self, work: object, *, durable: bool = True) -> None: ...

    def __getattr__(self, name: str) -> Any:
        raise TypeError("a defect")


@asynccontextmanager
async def opened(home: Path, adapters: Mapping[Any, object] | None = None) -> AsyncIterator[PhotoChanger]:
    async with asyncio.timeout(120), PhotoChanger.open(Settings(home=home), adapters=adapters) as app:
        yield app


def troubled(adapters: dict[type, object], port: type, method: str) -> dict[type, object]:
    """These adapters, one of which has a defect in a method."""
    adapter = FaultInjector(adapters[port])
    adapter.faults[method] = TypeError("a defect")
    return {**adapters, port: adapter}


@pytest.mark.parametrize(
    ("port", "method", "loop"),
    [
        (WorkerRegistry, "heartbeat", "worker heartbeat"),
        (WebhookOutbox, "acquire", "webhook delivery"),
        (JobQueue, "acquire", "job pool"),
        (GuestData, "due", "sweeper"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
async def test_an_unforeseen_error_of_a_background_task_ends_the_open_block(
    port: type, method: str, loop: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(TypeError, match="a defect"):
        async with opened(tmp_path, troubled(memory_adapters(), port, method)):
            await asyncio.Event().wait()
    assert f"{loop} failed: unforeseen error" in caplog.text


async def test_an_unforeseen_error_of_the_event_stream_ends_the_open_block(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    adapters = memory_adapters()
    jobs = FaultInjector(adapters[JobLog])

    async def subscribe() -> None:
        async with (
            opened(tmp_path, {**adapters, JobLog: jobs}) as app,
            (await app.container.get(EventStream)).listen(),
        ):
            jobs.faults["events"] = TypeError("a defect")
            await asyncio.Event().wait()

    with pytest.raises(TypeError, match="a defect"):
        await subscribe()
    assert "event stream failed: unforeseen error" in caplog.text


@pytest.mark.parametrize(
    ("port", "method", "loop"),
    [(JobQueue, "depth", "metrics collection"), (OwnedFiles, "bytes_by_kind", "media store measurement")],
    ids=["collection", "measurement"],
)
async def test_an_unforeseen_error_of_the_metrics_ends_the_mounted_app(
    port: type, method: str, loop: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    app = create_app(Settings(home=tmp_path), adapters=troubled(memory_adapters(), port, method))
    with pytest.raises(TypeError, match="a defect"):
        async with asyncio.timeout(120), app.lifespan():
            await asyncio.Event().wait()
    assert f"{loop} failed: unforeseen error" in caplog.text


async def test_an_unforeseen_error_of_the_listen_connection_ends_the_open_block(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    adapters = {port: adapter for port, adapter in memory_adapters().items() if port is not JobSignals}
    with pytest.raises(TypeError, match="a defect"):
        async with opened(tmp_path, {**adapters, Database: Defective()}):
            await asyncio.Event().wait()
    assert "LISTEN connection failed: unforeseen error" in caplog.text


async def test_an_unforeseen_error_of_the_watch_over_the_embedded_postgresql_ends_its_owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Server:
        async def keep_running(self) -> None:
            raise TypeError("a defect")

        def ensure_database(self, name: str) -> None: ...

        def url(self, name: str) -> str:
            return "postgresql://nowhere/"

        def close(self) -> None: ...

    monkeypatch.setattr(EmbeddedServer, "start", lambda folder, given_up: Server())
    container = make_container(Settings(home=tmp_path))
    supervisor = await container.get(Supervisor)

    async def use_database() -> None:
        await container.get(Database)
        await asyncio.Event().wait()

    with pytest.raises(TypeError, match="a defect"):
        async with asyncio.timeout(120), supervisor.guard():
            await use_database()
    await container.close()
    assert "embedded PostgreSQL watch failed: unforeseen error" in caplog.text


async def test_an_unforeseen_error_of_lease_renewal_ends_the_pool_and_releases_its_jobs(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World(ScriptedProvider("cloud", never))
    await world.slot("cloud")
    job = await world.submit()
    world.queue.faults["renew"] = TypeError("a defect")
    workers = WorkerPool(
        completion=world.completion,
        queue=world.queue,
        signals=world.signals,
        processing=world.processing,
        acquisition=world.acquisition,
        options=PoolOptions(concurrency=1, lease=BLINK),
    )
    with pytest.raises(TypeError, match="a defect"):
        async with asyncio.timeout(120):
            await workers.run()
    assert (await world.jobs.get(job.id)).state is JobState.PENDING
    assert "lease renewal failed: unforeseen error" in caplog.text


async def test_an_unforeseen_error_of_the_metrics_relay_ends_the_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("photochanger.entrypoints.metrics.relay._WRITE_SECONDS", 0.0)
    supervisor, telemetry = Supervisor(), cast(OpenTelemetry, Defective())
    output = (tmp_path / "metrics").open("wb")
    with pytest.raises(TypeError, match="a defect"):
        async with asyncio.timeout(120), supervisor.guard(), written_to(output, telemetry, supervisor):
            await asyncio.Event().wait()
    assert "metrics relay failed: unforeseen error" in caplog.text
