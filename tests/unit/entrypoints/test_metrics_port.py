"""The port of its own on which a process serves its metrics."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import httpx
import pytest
from photochanger import Settings
from photochanger.adapters.telemetry import OpenTelemetry
from photochanger.core.domain.errors import ConfigurationError
from photochanger.entrypoints.metrics import relay
from photochanger.entrypoints.metrics.relay import served

from tests.support.plain_http import NO_TLS

pytestmark = pytest.mark.anyio


class Collector:
    """Collects on the event loop, as that of `serve` does."""

    def __init__(self, *, ready: bool = True) -> None:
        self.ready = asyncio.Event()
        if ready:
            self.ready.set()

    async def text(self, accept: str) -> tuple[bytes, str]:
        await self.ready.wait()
        return f"accepts {accept}".encode(), "text/plain"


async def fetched(address: str) -> httpx.Response:
    async with httpx.AsyncClient(verify=NO_TLS, timeout=60) as client:
        return await client.get(address, headers={"Accept": "anything"})


def address_said(capsys: pytest.CaptureFixture[str]) -> str:
    start, _, address = capsys.readouterr().out.strip().rpartition(" ")
    assert start == "Metrics are at"
    return address


async def test_what_is_collected_is_served_on_loopback(capsys: pytest.CaptureFixture[str]) -> None:
    collector: Any = Collector()
    async with served(Settings(metrics_port=0), collector):
        address = address_said(capsys)
        assert address.startswith("http://127.0.0.1:")
        answer = await fetched(address)
        assert (answer.status_code, answer.text) == (200, "accepts anything")
    with pytest.raises(httpx.ConnectError):
        await fetched(address)


async def test_a_worker_serves_its_own_metrics(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry = OpenTelemetry()
    try:
        async with served(Settings(metrics_port=0), telemetry):
            answer = await fetched(address_said(capsys))
            assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    finally:
        telemetry.close()


async def test_another_address_may_be_chosen_also_of_ipv6(capsys: pytest.CaptureFixture[str]) -> None:
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    collector: Any = Collector()
    async with served(Settings(metrics_port=0, metrics_host="::1"), collector):
        address = address_said(capsys)
        assert address.startswith("http://[::1]:")
        assert (await fetched(address)).status_code == 200


async def test_without_a_port_nothing_listens(capsys: pytest.CaptureFixture[str]) -> None:
    collector: Any = Collector()
    async with served(Settings(), collector):
        assert capsys.readouterr().out == ""


async def test_metrics_that_do_not_come_in_time_are_answered_by_503(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "_COLLECT_SECONDS", 0.01)
    collector: Any = Collector(ready=False)
    async with served(Settings(metrics_port=0), collector):
        assert (await fetched(address_said(capsys))).status_code == 503


async def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        collector: Any = Collector()
        with pytest.raises(ConfigurationError, match=r"PHOTOCHANGER_METRICS_PORT: cannot be bound on 127\.0\.0\.1"):
            async with served(Settings(metrics_port=taken.getsockname()[1]), collector):
                pass
