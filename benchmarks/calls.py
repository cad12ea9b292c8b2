"""One call of a provider: CPU, memory, import time, and the longest hold of the event loop.

Each figure comes from a process of its own, so that nothing that another one loaded is counted. The service behind the
provider is a server on loopback in the measuring process, whose answers are made before.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any
from uuid import UUID

from photochanger.core.domain.media import Picture
from photochanger.core.ports.provider import ProviderRequest

_SIZES_MB = (1, 6)
_CALLS = 20
_KEY = "AIzaSy-benchmark"


async def measure() -> dict[str, Any]:
    """Measure every provider with every size of photo and picture."""
    rows = []
    for provider in ("gemini", "openai"):
        for size_mb in _SIZES_MB:
            async with _service(size_mb) as url:
                rows.append(await asyncio.to_thread(_in_a_process, provider, size_mb, url))
    return {"calls": rows}


def _in_a_process(provider: str, size_mb: int, url: str) -> dict[str, Any]:
    command = (sys.executable, "-m", "benchmarks.calls", provider, str(size_mb), url)
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    row: dict[str, Any] = json.loads(done.stdout)
    return row


@asynccontextmanager
async def _service(size_mb: int) -> AsyncIterator[str]:
    """Answer every request with a picture, in the form of both services."""
    encoded = base64.b64encode(os.urandom(size_mb * 1_000_000)).decode()
    parts = [{"inlineData": {"mimeType": "image/png", "data": encoded}}]
    body = {
        "candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}],
        "responseId": "r",
        "created": 1,
        "data": [{"b64_json": encoded}],
    }
    answers = {
        b"generateContent": json.dumps({name: body[name] for name in ("candidates", "responseId")}).encode(),
        b"images/edits": json.dumps({name: body[name] for name in ("created", "data")}).encode(),
    }

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
                await reader.readexactly(int(lines[b"content-length"]))
                answer = next(body for name, body in answers.items() if name in head)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
                writer.write(b"Content-Length: %d\r\n\r\n" % len(answer) + answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=2**20)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


class _Context:
    private_hosts = ()
    models_file = None

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url

    async def key(self) -> str | None:
        return _KEY


async def _measured(name: str, size_mb: int, url: str) -> dict[str, Any]:
    began = time.perf_counter()
    if name == "gemini":
        from photochanger.adapters.providers.gemini.provider import GeminiProvider as Provider
    else:
        from photochanger.adapters.providers.openai.provider import OpenAIProvider as Provider  # type: ignore[assignment]
    provider = Provider(_Context(url))
    photo = Picture(os.urandom(size_mb * 1_000_000), "image/jpeg", 4000, 3000)

    async def no_reference(reference: str) -> None:
        raise AssertionError("these services have no references")

    async def call() -> None:
        request = ProviderRequest(
            job_id=UUID(int=1),
            operation_id="image_edit",
            settings={"prompt": "An oil painting of this."},
            photo=photo,
            until=datetime.now(UTC) + timedelta(minutes=5),
            note_reference=no_reference,
        )
        result = await provider.process(request)
        assert len(result.data) == size_mb * 1_000_000

    before_kib = _peak_kib()
    await call()
    first_ms = (time.perf_counter() - began) * 1000
    cpu_ms, holds_ms = [], []
    for _ in range(_CALLS):
        started = time.process_time()
        await call()
        cpu_ms.append((time.process_time() - started) * 1000)
    for _ in range(_CALLS):
        with _holds() as held:  # it takes CPU itself
            await call()
        holds_ms.append(max(held))
    peak_kib = _peak_kib()
    await provider.close()
    return {
        "provider": name,
        "size_mb": size_mb,
        "cpu_ms": round(median(cpu_ms), 1),
        "longest_hold_ms": round(median(holds_ms), 1),
        "memory_mib": round((peak_kib - before_kib) / 1024, 1),
        "first_call_ms": round(first_ms),
    }


def _peak_kib() -> int:
    """The most memory that this process had; `ru_maxrss` counts that of its parent."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


@contextmanager
def _holds() -> Iterator[list[float]]:
    """Collect how long the event loop was held each time, in milliseconds of CPU."""
    loop, held, last = asyncio.get_running_loop(), [0.0], time.thread_time()
    handle: asyncio.Handle

    def tick() -> None:
        nonlocal last, handle
        now = time.thread_time()
        held.append((now - last) * 1000)
        last = now
        handle = loop.call_soon(tick)

    handle = loop.call_soon(tick)
    try:
        yield held
    finally:
        handle.cancel()


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_measured(sys.argv[1], int(sys.argv[2]), sys.argv[3]))))
