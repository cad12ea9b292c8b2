"""How a worker process hands out what it counts: to the service that started it, or to Prometheus on a port."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import BinaryIO

from ...adapters.telemetry import MetricsServer, OpenTelemetry, encode_families
from ...core.domain.errors import ConfigurationError
from ..config import PREFIX, Settings

_log = logging.getLogger("photochanger.metrics")

_WRITE_SECONDS = 1.0


def own_output() -> BinaryIO:
    """Standard output for the figures alone: whatever else is printed goes to standard error from here on."""
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return output


@asynccontextmanager
async def written_to(output: BinaryIO, telemetry: OpenTelemetry) -> AsyncIterator[None]:
    """Write the figures there once a second if they changed, and at the end; closes the output."""
    last = b""

    def write() -> None:
        nonlocal last
        line = encode_families(telemetry.families())
        if line != last:
            output.write(line + b"\n")
            output.flush()
            last = line

    async def keep_writing() -> None:
        try:
            while True:
                await asyncio.sleep(_WRITE_SECONDS)
                await asyncio.to_thread(write)
        except OSError as error:
            _log.warning("figures cannot be handed to the service any more: %s", error.strerror)

    writing = asyncio.create_task(keep_writing())
    try:
        yield
    finally:
        writing.cancel()
        try:
            await asyncio.gather(writing, return_exceptions=True)
            write()
            output.close()
        except BrokenPipeError:
            _log.info("the service that takes the figures is gone")  # and this process ends because of that


@asynccontextmanager
async def served(settings: Settings, telemetry: OpenTelemetry) -> AsyncIterator[None]:
    """Serve the figures on the port that is set for that, if one is. ConfigurationError where it cannot be had."""
    if settings.metrics_port is None:
        yield
        return
    try:
        server = MetricsServer(telemetry.families, host=settings.host, port=settings.metrics_port)
    except OSError as error:
        raise ConfigurationError(PREFIX + "METRICS_PORT", f"cannot be listened on: {error.strerror}") from error
    print(f"Figures are at http://{settings.host}:{server.port}/metrics", flush=True)
    try:
        yield
    finally:
        await asyncio.to_thread(server.close)
