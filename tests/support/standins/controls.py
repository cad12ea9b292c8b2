"""The ServiceControls of a stand-in, for `photochanger.testing.RemoteProviderContract`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from .fal import FalStandIn
from .replicate import ReplicateStandIn
from .server import Answer, Behaviour, Exchange, StandInServer


class StandInControls:
    """Controls of a service that answers each call with its picture: work is held by holding the answer.

    Args:
        refusal: the answer of the service to what its moderation refuses.
    """

    def __init__(
        self, server: StandInServer, *, refusal: Answer | Behaviour, failure: Answer | None = None, call: str = "call"
    ) -> None:
        self._server = server
        self._refusal = refusal
        self._failure = failure or Answer(500, b"{}", {"Content-Type": "application/json"})
        self._call = call
        self._held = _HeldCall()
        self._hang_ups_before = 0

    @property
    def submitted(self) -> int:
        return len(self._server.calls(self._call))

    async def hold(self) -> None:
        self._held = _HeldCall()
        self._hang_ups_before = self._server.hang_ups
        self._server.script(self._held, call=self._call)

    async def has_begun(self) -> None:
        await self._held.begun.wait()

    async def was_given_up(self) -> None:
        await self._server.until(lambda: self._server.hang_ups > self._hang_ups_before)

    async def release(self) -> None:
        self._held.go.set()

    async def refuse(self) -> None:
        self._server.script(self._refusal, call=self._call)

    async def fail(self) -> None:
        self._server.script(self._failure, call=self._call)


class _HeldCall:
    """The good answer when it is let go; unless the client hangs up before."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.go = asyncio.Event()

    async def __call__(self, exchange: Exchange) -> None:
        self.begun.set()
        gone = asyncio.ensure_future(exchange.client_gone())
        let_go = asyncio.ensure_future(self.go.wait())
        try:
            await asyncio.wait({gone, let_go}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            let_go.cancel()
        if not gone.done():
            await asyncio.wait({gone})
            await exchange.send(exchange.good())


class HostControls:
    """Controls of a service that queues work and cancels it by a call: held work does not end."""

    def __init__(self, service: FalStandIn | ReplicateStandIn, *, submit: str, refuse: Callable[[], None]) -> None:
        self._service = service
        self._submit = submit
        self._refuse = refuse
        self._steps = service.steps
        self._before = 0, 0

    @property
    def submitted(self) -> int:
        return len(self._service.works)

    async def hold(self) -> None:
        self._before = self.submitted, len(self._service.cancels)
        self._service.steps = 10**9
        if isinstance(self._service, ReplicateStandIn):
            self._service.waits = False

    async def has_begun(self) -> None:
        await self._service.until(lambda: self.submitted > self._before[0])

    async def was_given_up(self) -> None:
        await self._service.until(lambda: len(self._service.cancels) > self._before[1])

    async def release(self) -> None:
        self._service.end()
        self._service.steps = self._steps
        if isinstance(self._service, ReplicateStandIn):
            self._service.waits = True

    async def refuse(self) -> None:
        self._refuse()

    async def fail(self) -> None:
        self._service.script(Answer(503, b"{}", {"Content-Type": "application/json"}), call=self._submit)


def changed(**changes: Any) -> Behaviour:
    """The good answer, whose JSON says these things instead."""

    async def behave(exchange: Exchange) -> None:
        good = exchange.good()
        body = msgspec.json.encode(msgspec.json.decode(good.body) | changes)
        await exchange.send(Answer(good.status, body, good.headers))

    return behave
