"""Where the metrics of a process go: a worker's to the `serve` that started it, others to Prometheus on a port."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import BinaryIO

from ...adapters.telemetry import MetricsServer, OpenTelemetry, encode_families, exposition
from ...core.domain.errors import ConfigurationError
from ...core.services.support.concurrency import Supervisor
from ..config import PREFIX, Settings
from .collector import MetricsCollector

_log = logging.getLogger("photochanger.metrics")

_WRITE_SECONDS = 1.0
_COLLECT_SECONDS = 8.0
"""Wait for the event loop that collects: less than Prometheus waits for an answer."""


def own_output() -> BinaryIO:
    """Reserve standard output for metrics; other output goes to standard error from now on."""
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return output


@asynccontextmanager
async def written_to(output: BinaryIO, telemetry: OpenTelemetry, supervisor: Supervisor) -> AsyncIterator[None]:
    """Write the metrics once a second if they changed, else an empty line, and at the end; closes the output.

    Each line is a sign of life of the event loop. They are written in a thread of their own: jobs that keep the default
    executor busy must not delay them.
    """
    last = b""

    def write() -> None:
        nonlocal last
        line = encode_families(telemetry.families())
        output.write((b"" if line == last else line) + b"\n")
        output.flush()
        last = line

    async def keep_writing() -> None:
        loop = asyncio.get_running_loop()
        try:
            while True:
                await loop.run_in_executor(writing, write)
                await asyncio.sleep(_WRITE_SECONDS)
        except OSError as error:
            _log.warning("writing metrics to the service failed: %s", error.strerror)

    writing = ThreadPoolExecutor(1, thread_name_prefix="metrics")
    try:
        async with supervisor.supervised(keep_writing(), name="metrics relay"):
            yield
    finally:
        try:
            await asyncio.wrap_future(writing.submit(write))
            output.close()
        except BrokenPipeError:
            _log.info("the service that reads the metrics has ended")  # this process ends for the same reason
        finally:
            writing.shutdown(wait=False)


@asynccontextmanager
async def served(settings: Settings, source: OpenTelemetry | MetricsCollector) -> AsyncIterator[None]:
    """Serve the metrics of this process, or all that are collected, on the configured port, if any.

    ConfigurationError if it cannot be bound.
    """
    if settings.metrics_port is None:
        yield
        return
    loop = asyncio.get_running_loop()

    def text(accept: str) -> tuple[bytes, str]:
        if isinstance(source, OpenTelemetry):
            return exposition(source.families(), accept)
        return asyncio.run_coroutine_threadsafe(source.text(accept), loop).result(_COLLECT_SECONDS)

    host = settings.metrics_host
    try:
        server = await asyncio.to_thread(MetricsServer, text, host=host, port=settings.metrics_port)
    except OSError as error:
        raise ConfigurationError(
            PREFIX + "METRICS_PORT", f"cannot be bound on {host}: {error.strerror}; choose another one for each process"
        ) from error
    print(f"Metrics are at http://{f'[{host}]' if ':' in host else host}:{server.port}/metrics", flush=True)
    try:
        yield
    finally:
        await asyncio.to_thread(server.close)
