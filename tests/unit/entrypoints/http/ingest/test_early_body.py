"""Bodies that are received while their handler waits: in order, bounded, given up with the client."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from photochanger.entrypoints.http.ingest import early_body
from photochanger.entrypoints.http.ingest.early_body import EarlyBody
from photochanger.entrypoints.http.protocol.body import ClientGone

pytestmark = pytest.mark.anyio


class Client:
    """Sends these chunks, then what else the test says; notes how many were taken."""

    def __init__(self, *chunks: bytes, goes: bool = False) -> None:
        self._messages: list[Any] = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
        if goes:
            self._messages.append({"type": "http.disconnect"})
        self.taken = 0
        self.all_taken = asyncio.Event()

    async def receive(self) -> Any:
        if self.taken == len(self._messages):
            self.all_taken.set()
            await asyncio.Event().wait()
        self.taken += 1
        return self._messages[self.taken - 1]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(early_body, "_EARLY_AFTER_SECONDS", 0)


async def test_what_arrives_meanwhile_is_read_first_and_in_order() -> None:
    client = Client(b"one", b"two")
    with EarlyBody(client.receive) as body:
        await body.during(client.all_taken.wait())
        assert EarlyBody._all_held_bytes == 6
        assert [(await body.receive())["body"] for _ in range(2)] == [b"one", b"two"]
        assert EarlyBody._all_held_bytes == 0


async def test_all_requests_together_hold_no_more_than_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(early_body, "MAX_EARLY_BYTES", 10)
    first, second = Client(b"x" * 10, b"later"), Client(b"y")
    with EarlyBody(first.receive) as body, EarlyBody(second.receive) as other:
        for _ in range(2):
            await body.during(asyncio.sleep(0))
            await body.during(_turns())
            await other.during(_turns())
        assert (first.taken, second.taken) == (1, 0)
    assert EarlyBody._all_held_bytes == 0


async def test_a_client_that_goes_is_not_waited_for() -> None:
    client = Client(b"half", goes=True)
    with EarlyBody(client.receive) as body, pytest.raises(ClientGone):
        await body.during(asyncio.Event().wait())
    assert EarlyBody._all_held_bytes == 0


async def _turns() -> None:
    for _ in range(50):
        await asyncio.sleep(0)
