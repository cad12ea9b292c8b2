"""The measured processes: the HTTP process, a worker with a provider of fixed delay, and a bare handler."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
import psutil
import uvicorn
from litestar import Litestar, Response, post
from litestar.datastructures import UploadFile
from litestar.enums import RequestEncodingType
from litestar.params import Body
from photochanger import Settings
from photochanger.adapters.postgres import EmbeddedServer
from photochanger.core.domain.costs.call_cost import CallCost
from photochanger.core.domain.media import ImageLimits, PictureNeeds
from photochanger.core.domain.routing.provider_check import ProviderFinding
from photochanger.core.domain.slots.slot import Route, RouteEntry
from photochanger.core.ports.provider import OperationInfo, ProviderInfo, ProviderRequest, ProviderResult
from photochanger.core.ports.repositories.slot_repository import SlotRepository
from photochanger.core.services.providers.registry import ProviderRegistry
from photochanger.entrypoints.bootstrap import freeze_gc, migrate_database, seed_quietly
from photochanger.entrypoints.container import make_container
from photochanger.entrypoints.http.app import create_http_app
from photochanger.entrypoints.worker.worker import Worker

from . import gemini, unreliable

PASSWORD = "benchmark-password"
DELAYS_MS = {"slot-005": 0, "slot-006": 500}
"""The measured slots, with the delay of their provider."""

OVERLOADED = "slot-012"
CALL_SECONDS = 10
"""The slot that gets more photos than it can make, and how long a call for it takes."""


class FixedDelayProvider:
    """Returns the photo after a delay."""

    info = ProviderInfo(
        id="delay",
        title="Fixed delay",
        operations=(
            OperationInfo(
                id="wait",
                title="Wait",
                settings_schema={"type": "object"},
                needs=PictureNeeds(("image/jpeg",), max_bytes=64 * 1024 * 1024, max_pixels=100_000_000),
            ),
        ),
    )

    def expected_cost(self, operation_id: str, settings: Mapping[str, Any]) -> CallCost | None:
        return None

    def check_settings(self, operation_id: str, settings: Mapping[str, Any]) -> None:
        """Accept any settings."""

    async def process(self, request: ProviderRequest) -> ProviderResult:
        await asyncio.sleep(request.settings["ms"] / 1000)
        return ProviderResult(request.photo.data)

    async def diagnose(self, used: Collection[RouteEntry]) -> list[ProviderFinding]:
        return []

    async def close(self) -> None:
        """Do nothing: there are no resources."""


def _container(settings: Settings) -> Any:
    catalogue = ProviderRegistry(
        [FixedDelayProvider(), *unreliable.providers()], limits=ImageLimits(max_pixels=100_000_000)
    )
    return make_container(settings, {ProviderRegistry: catalogue})


async def prepare(settings: Settings) -> None:
    """Create the schema and the measured slots."""
    container = _container(settings)
    await migrate_database(container)
    await seed_quietly(container)
    slots = await container.get(SlotRepository)
    delays = {
        id: Route(entries=(RouteEntry("delay", "wait", {"ms": ms}),))
        for id, ms in {**DELAYS_MS, OVERLOADED: CALL_SECONDS * 1000}.items()
    }
    for slot_id, route in (delays | unreliable.ROUTES).items():
        slot = await slots.get(slot_id)
        changed = msgspec.structs.replace(slot, active=True, route=route)
        await slots.save(changed, expected_version=slot.version)
    await container.close()


async def run_http(settings: Settings) -> None:
    """Run the HTTP process."""
    container = _container(settings)
    app = await create_http_app(container)
    freeze_gc()
    await _serve(app)
    await container.close()


async def run_worker(settings: Settings) -> None:
    """Run the worker process."""
    container = _container(settings)
    worker = await container.get(Worker)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, worker.stop)
    freeze_gc()
    print("ready", flush=True)
    await worker.run()
    await container.close()


@dataclass
class _CameraForm:
    """The camera's form, as Litestar reads it."""

    password: str
    fileToUpload: UploadFile


@post("/ingest/bare")
async def _bare(
    data: Annotated[_CameraForm, Body(media_type=RequestEncodingType.MULTI_PART)], wait_ms: int
) -> Response[bytes]:
    await asyncio.sleep(wait_ms / 1000)
    return Response(await data.fileToUpload.read(), media_type="image/jpeg", status_code=200)


async def run_bare() -> None:
    """A handler that receives the same form, waits as long as the provider, and returns the same bytes."""
    await _serve(Litestar([_bare], request_max_body_size=None, openapi_config=None))


async def _serve(app: Any) -> None:
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", access_log=False, lifespan="off")
    listening = config.bind_socket()
    print(listening.getsockname()[1], flush=True)
    await uvicorn.Server(config).serve(sockets=[listening])


def kind_of(each: psutil.Process, serve: psutil.Process) -> str:
    """What a process of a service is: `serve`, `worker`, or one of the `children` and what they are forked from."""
    if each.pid == serve.pid:
        return "serve"
    return "worker" if "worker" in each.cmdline() else "children"


@contextlib.contextmanager
def process(role: str, settings: Mapping[str, str]) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Start one of the processes above by its role; yields the line that it prints when it is ready."""
    started = subprocess.Popen(
        (sys.executable, "-m", "benchmarks.processes", role),
        env={**os.environ, **settings},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert started.stdout is not None
    try:
        yield started.stdout.readline().strip(), started
    finally:
        started.send_signal(signal.SIGTERM)
        started.wait(60)


@contextlib.asynccontextmanager
async def database(folder: Path) -> AsyncIterator[EmbeddedServer]:
    """Start a PostgreSQL server for the run."""
    server = await asyncio.to_thread(EmbeddedServer.start, folder / "postgres")
    try:
        yield server
    finally:
        await asyncio.to_thread(server.close)


def main(role: str) -> None:
    """Run one role in this process."""
    import uvloop

    work = {
        "prepare": lambda: prepare(Settings.from_env()),
        "http": lambda: run_http(Settings.from_env()),
        "worker": lambda: run_worker(Settings.from_env()),
        "bare": run_bare,
        "gemini": gemini.run,
    }[role]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work())


if __name__ == "__main__":
    main(sys.argv[1])
