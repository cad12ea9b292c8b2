"""Where the results of queued work are fetched from, and which addresses get the key."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from photochanger.adapters.http_client.address_guard import AddressGuard
from photochanger.adapters.http_client.client import SafeHttpClient
from photochanger.adapters.providers.queued import MAX_FETCHES, OwnAddresses, fetched
from photochanger.core.domain.costs.call_cost import CallCost
from photochanger.core.ports.provider import Retryable, Unavailable

from tests.support import photos
from tests.support.standins.server import Answer, Received, StandInServer, html, reset

pytestmark = pytest.mark.anyio

COST = CallCost(usd_micros=40_000)
TICK = timedelta(milliseconds=1)


@pytest.mark.parametrize(
    ("url", "own"),
    [
        ("https://queue.painter.run/a/status", True),
        ("https://painter.run/a", True),
        ("https://QUEUE.Painter.RUN./a", True),
        ("https://queue.painter.run:443/a", True),
        ("http://127.0.0.1:8080/else", True),
        ("http://queue.painter.run/a", False),
        ("https://queue.painter.run:8443/a", False),
        ("https://notpainter.run/a", False),
        ("https://painter.run.evil.example/a", False),
        ("https://painter.run@evil.example/a", False),
        ("https://evil.example\\@painter.run/a", False),
        ("https://evil.example/?painter.run", False),
        ("http://127.0.0.1:8081/else", False),
        ("https://127.0.0.1:8080/else", False),
        ("ftp://painter.run/a", False),
        ("//painter.run/a", False),
        ("", False),
    ],
)
def test_the_key_goes_to_the_services_own_addresses_only(url: str, own: bool) -> None:
    assert OwnAddresses("http://127.0.0.1:8080/api", domains=("painter.run",)).has(url) is own


class Shelf(StandInServer):
    """Where finished pictures lie."""

    def check(self, request: Received) -> Answer | None:
        return Answer(403) if "authorization" in request.headers else None

    def answer(self, request: Received) -> Answer:
        return Answer(200, photos.png(8, 8), {"Content-Type": "image/png"})


@pytest.fixture
async def shelf() -> AsyncIterator[Shelf]:
    async with Shelf() as running:
        yield running
        assert running.refused == []


@pytest.fixture
async def downloads() -> AsyncIterator[SafeHttpClient]:
    client = SafeHttpClient(AddressGuard(("127.0.0.1",)))
    yield client
    await client.close()


async def test_a_finished_picture_is_fetched_again_while_that_may_help(shelf: Shelf, downloads: SafeHttpClient) -> None:
    until = datetime.now(UTC) + timedelta(minutes=3)
    shelf.script(reset, Answer(404), html())
    assert await fetched(downloads, f"{shelf.url}/a", until=until, pause=TICK) == photos.png(8, 8)
    assert len(shelf.received) == MAX_FETCHES
    shelf.script(*[Answer(404)] * MAX_FETCHES)
    with pytest.raises(Retryable) as raised:
        await fetched(downloads, f"{shelf.url}/a", until=until, cost=COST, pause=TICK)
    assert raised.value.cost == COST


async def test_a_picture_is_not_fetched_again_where_that_cannot_help(shelf: Shelf, downloads: SafeHttpClient) -> None:
    until = datetime.now(UTC) + timedelta(minutes=3)
    with pytest.raises(Unavailable) as raised:
        await fetched(downloads, "http://127.9.9.9:9/a", until=until, cost=COST)
    assert raised.value.cost == COST
    shelf.script(Answer(404))
    with pytest.raises(Retryable):
        await fetched(downloads, f"{shelf.url}/a", until=until, pause=timedelta(hours=1))
    shelf.script(Answer(429, headers={"Retry-After": "3600"}))
    with pytest.raises(Retryable) as limited:
        await fetched(downloads, f"{shelf.url}/a", until=until, pause=TICK)
    assert limited.value.after == timedelta(hours=1)
    assert len(shelf.received) == 2
