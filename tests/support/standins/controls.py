"""The ServiceControls of a stand-in, for `photochanger.testing.RemoteProviderContract`."""

from __future__ import annotations

import asyncio

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
