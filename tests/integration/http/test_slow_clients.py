"""Clients that send or read too slowly, or only connect. None of them keeps a camera from its picture.

The timeouts of connections are an hour here, and the tests let the hours pass (`Later`).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from photochanger.adapters.memory.telemetry import MemoryTelemetry
from photochanger.core.ports.telemetry import Telemetry
from photochanger.core.services.auth.known_addresses import KnownAddresses
from photochanger.entrypoints.http.connection.limits import ConnectionLimits

from tests.support import photos
from tests.support.http_server import ADMIN_PASSWORD, PICTURE, Gate, Service, form, head, serving, until
from tests.support.raw_http import GET, ROOMY, Later, Raw, connected, limits

pytestmark = pytest.mark.anyio

CAMERA, STRANGER, OTHER_STRANGER = "127.0.0.3", "127.0.0.2", "127.0.0.4"
HALF_A_HEAD = b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-Fil"


class Watched:
    """A service, the time of its connections, and why it ended some."""

    def __init__(self, service: Service, telemetry: MemoryTelemetry) -> None:
        self.service = service
        self.later = Later(service.places)
        self._telemetry = telemetry

    @property
    def requests(self) -> int:
        """Traced requests so far."""
        return len(self._telemetry.spans)

    async def reached(self, requests: int) -> None:
        """Return once this many traced requests have begun."""

        async def begun() -> bool:
            return self.requests >= requests

        await until(begun)

    @property
    def ended(self) -> list[str]:
        return [str(fields["reason"]) for fields in self._telemetry.of("connection_ended")]


@contextlib.asynccontextmanager
async def watched(home: Path, bounds: ConnectionLimits = ROOMY) -> AsyncIterator[Watched]:
    telemetry = MemoryTelemetry()
    async with serving(home, adapters={Telemetry: telemetry}, limits=bounds) as service:
        yield Watched(service, telemetry)


async def big_result(service: Service) -> str:
    """The path of a result that is larger than what kernels take for a client that does not read."""
    gate = Gate(photos.noise(1200, 1000))
    gate.opened.set()
    service.provider.script = gate
    answer = await service.ingest()
    assert len(answer.content) > 3_000_000
    return f"/public/results/{answer.headers['x-job-id']}"


def request(path: str, *headers: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: 127.0.0.1", *headers, "", ""]).encode()


def stop_reading(client: Raw) -> None:
    client.writer.transport.pause_reading()  # type: ignore[attr-defined]


async def until_busy(service: Service, connections: int) -> None:
    """Return once requests are in progress on this many connections."""

    async def busy() -> bool:
        return len(service.places) - service.places.waiting == connections

    await until(busy)


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


async def test_a_connection_that_sends_nothing_is_closed(tmp_path: Path) -> None:
    async with watched(tmp_path) as to, connected(to.service.port) as silent:
        await to.later.until(lambda: to.ended == ["no_request"])
        assert await silent.closed() == b""


async def test_half_a_second_head_is_refused_after_a_while(tmp_path: Path) -> None:
    async with watched(tmp_path) as to, connected(to.service.port) as slow:
        assert (await slow.ask(GET + HALF_A_HEAD)).status == 200
        to.later.passes()
        refused = await slow.answer()
        assert refused.status == 408
        assert refused.problem["code"] == "upload_interrupted"
        assert await slow.closed() == b""
        assert to.ended == ["no_request"]


async def test_bytes_do_not_extend_the_time_of_a_head(tmp_path: Path) -> None:
    bounds = limits(head_timeout=ROOMY.head_timeout * 2)
    async with watched(tmp_path, bounds) as to, connected(to.service.port) as slow:
        assert (await slow.ask(GET + HALF_A_HEAD)).status == 200
        to.later.passes()
        await slow.send(b"ler: more")
        to.later.passes()
        to.later.passes()
        assert (await slow.answer()).status == 408


async def test_blank_lines_do_not_extend_the_pause_between_requests(tmp_path: Path) -> None:
    async with watched(tmp_path) as to, connected(to.service.port) as idle:
        assert (await idle.ask(GET + b"\r\n\r\n")).status == 200
        to.later.passes()
        assert await idle.closed() == b""


async def test_an_idle_connection_is_closed_and_not_counted(tmp_path: Path) -> None:
    async with watched(tmp_path) as to, connected(to.service.port) as idle:
        assert (await idle.ask(GET)).status == 200
        to.later.passes()
        assert await idle.closed() == b""
        assert to.ended == []


async def test_a_camera_that_waits_for_its_picture_has_no_timeout(tmp_path: Path) -> None:
    async with watched(tmp_path) as to, connected(to.service.port) as camera:
        to.service.provider.script = gate = Gate()
        body = form()
        await camera.send(head("slot-001", len(body)) + body + HALF_A_HEAD)
        await gate.held(1)
        to.later.passes()
        to.later.passes()
        gate.opened.set()
        assert (await camera.answer()).body == PICTURE
        await to.later.until(lambda: to.ended == ["no_request"])
        assert (await camera.answer()).status == 408  # what came behind has its own time


@pytest.mark.parametrize("path", ["result", "/api/events", "/docs/swagger-ui-bundle.js"])
async def test_a_client_that_stops_reading_is_cut_off(tmp_path: Path, path: str) -> None:
    """Whatever it asked for: a file of the store, a stream, bodies from memory."""
    async with watched(tmp_path) as to:
        headers = []
        if path == "result":
            path = await big_result(to.service)
        if path == "/api/events":
            who = {"username": "admin", "password": ADMIN_PASSWORD}
            token = (await to.service.client.post("/api/login", json=who)).json()["access_token"]
            headers = [f"Authorization: Bearer {token}"]
        async with connected(to.service.port, receive_buffer=2048) as deaf:
            stop_reading(deaf)
            begun = to.requests
            repeated = 1 if path == "/api/events" else 9  # the kernels buffer some of the smaller ones
            await deaf.send(request(path, *headers) * repeated)
            await to.reached(begun + 1)

            async def cut() -> bool:
                if path == "/api/events":
                    await to.service.log_noise("x" * 100_000)
                to.later.passes()
                return "slow_reader" in to.ended

            await until(cut)
        assert (await to.service.client.get("/healthz")).status_code == 200


async def test_clients_that_stop_reading_leave_no_open_file(tmp_path: Path) -> None:
    async with watched(tmp_path) as to:
        path = await big_result(to.service)
        before, begun = open_files(), to.requests
        async with AsyncExitStack() as stack:
            for _ in range(20):
                deaf = await stack.enter_async_context(connected(to.service.port, receive_buffer=2048))
                stop_reading(deaf)
                await deaf.send(request(path))
            await to.reached(begun + 20)
            await to.later.until(lambda: to.ended.count("slow_reader") == 20 and open_files() <= before + 20)


async def test_a_slow_client_that_goes_on_reading_gets_everything(tmp_path: Path) -> None:
    """A period of the send timeout passes between its reads, each of which is larger than the least progress."""
    async with watched(tmp_path) as to:
        path = await big_result(to.service)
        whole = (await to.service.client.get(path)).content
        async with connected(to.service.port, receive_buffer=16 * 1024) as slow:
            await slow.send(request(path))
            answer = await slow.answer(head_only=True)
            received = b""
            while len(received) < int(answer.headers["content-length"]):
                to.later.passes()
                left = len(whole) - len(received)
                received += await slow.reader.readexactly(min(left, 512 * 1024))
            assert received == whole
        assert to.ended == []


async def test_silent_connections_of_strangers_do_not_keep_a_camera_out(tmp_path: Path) -> None:
    async with watched(tmp_path, limits(total=12, per_address=12, reserve=4)) as to, AsyncExitStack() as stack:
        for address in [STRANGER, OTHER_STRANGER] * 30:
            await stack.enter_async_context(connected(to.service.port, source=address))
        body = form()
        for _ in range(3):
            async with connected(to.service.port, source=CAMERA) as camera:
                assert (await camera.ask(head("slot-001", len(body)) + body)).body == PICTURE
        assert "replaced" in to.ended


async def test_a_known_address_has_a_reserve_while_strangers_hold_requests_open(tmp_path: Path) -> None:
    async with watched(tmp_path, limits(total=6, per_address=6, reserve=2)) as to, AsyncExitStack() as stack:
        (await to.service.opened.container.get(KnownAddresses)).note(CAMERA)
        for _ in range(4):
            busy = await stack.enter_async_context(connected(to.service.port, source=STRANGER))
            await busy.send(head("slot-001", 1_000_000) + b"--")
        await until_busy(to.service, 4)
        async with connected(to.service.port, source=OTHER_STRANGER) as refused:
            answer = await refused.answer()
            assert answer.status == 503
            assert answer.problem["code"] == "too_many_connections"
            assert answer.headers["retry-after"] == "5"
        assert to.ended == ["too_many"]
        async with connected(to.service.port, source=CAMERA) as camera:
            assert (await camera.ask(GET)).status == 200


async def test_one_address_cannot_take_the_places_of_others(tmp_path: Path) -> None:
    async with watched(tmp_path, limits(total=20, per_address=3, reserve=4)) as to, AsyncExitStack() as stack:
        for _ in range(3):
            busy = await stack.enter_async_context(connected(to.service.port, source=STRANGER))
            await busy.send(head("slot-001", 1_000_000) + b"--")
        await until_busy(to.service, 3)
        async with connected(to.service.port, source=STRANGER) as refused:
            assert (await refused.answer()).problem["code"] == "too_many_connections"
        assert to.ended == ["too_many_of_address"]
        async with connected(to.service.port, source=OTHER_STRANGER) as other:
            assert (await other.ask(GET)).status == 200


async def test_a_trusted_proxy_has_no_bound_of_its_own(tmp_path: Path) -> None:
    bounds = limits(total=20, per_address=2, reserve=4)
    async with serving(tmp_path, limits=bounds, trusted_proxies=(STRANGER,)) as service, AsyncExitStack() as stack:
        for _ in range(10):
            camera = await stack.enter_async_context(connected(service.port, source=STRANGER))
            assert (await camera.ask(GET)).status == 200
        assert len(service.places) >= 10
