"""An image service with moods: quick, slow, overloaded, without a picture, cut off, or silent, as its dice say."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from random import Random

from tests.support.chaos.pace import pause
from tests.support.standins.server import Answer, Exchange, Received, html, reset, reset_midway, truncated
from tests.support.standins.studio import StudioStandIn

_MOODS = {
    "quick": 62,
    "slow": 12,
    "failing": 6,
    "limited, with a delay": 3,
    "limited": 2,
    "limited, in words": 2,
    "no picture": 3,
    "broken picture": 2,
    "cut": 3,
    "reset": 3,
    "silent": 2,
}
_SLOW_SECONDS = (0.3, 3.0)
_LATE_SECONDS = (10.5, 14.0)


class MoodyProvider(StudioStandIn):
    """For the provider `http` whose prompt is the name of the shot. The mood depends on shot and number of the call.

    Attributes:
        made: whole pictures by shot, each of them paid for.
        moods: calls by mood.
    """

    def __init__(self, *, seed: str, late: tuple[str, ...]) -> None:
        """`late` are the ends of addresses where a silent call gets its picture after the window."""
        super().__init__()
        self._late = late
        self.made: Counter[str] = Counter()
        self.moods: Counter[str] = Counter()
        self._calls: Counter[str] = Counter()
        self._seed = seed
        self._open = 0
        self._released = asyncio.Event()

    @property
    def busy(self) -> bool:
        return self._open > 0

    def release(self) -> None:
        """End silent calls with a reset, those of now and all that come until `be_silent_again`."""
        self._released.set()

    def be_silent_again(self) -> None:
        self._released.clear()
        self.received.clear()

    async def _handle(self, exchange: Exchange) -> None:
        refusal = self.check(exchange.request)
        if refusal is not None:
            self.refused.append(refusal.body)
            await exchange.send(refusal)
            return
        self._open += 1
        try:
            await self._answer(exchange)
        finally:
            self._open -= 1

    async def _answer(self, exchange: Exchange) -> None:
        shot = self._shot(exchange.request)
        self._calls[shot] += 1
        dice = Random(f"mood {self._seed} {shot} {self._calls[shot]}")
        (mood,) = dice.choices(list(_MOODS), list(_MOODS.values()))
        self.moods[mood] += 1
        match mood:
            case "slow" | "quick":
                await pause(dice.uniform(*_SLOW_SECONDS) if mood == "slow" else 0)
                await exchange.send(exchange.good())
                self.made[shot] += 1
            case "failing":
                await exchange.send(Answer(503))
            case "limited, with a delay":
                await exchange.send(Answer(429, headers={"Retry-After": str(dice.randint(1, 2))}))
            case "limited":
                await exchange.send(Answer(429))
            case "limited, in words":
                await exchange.send(Answer(429, b'{"error": {"message": "Too many requests, try again in 1.5s."}}'))
            case "no picture":
                await html()(exchange)
            case "broken picture":
                whole = exchange.good()
                await exchange.send(Answer(200, whole.body[: len(whole.body) // 2], whole.headers))
            case "cut":
                await truncated(exchange)
            case "reset":
                await reset_midway(exchange)
            case _ if exchange.request.path.endswith(self._late):
                await self._answer_late(exchange, dice.uniform(*_LATE_SECONDS))
                self.made[shot] += 1
            case _:
                await self._stay_silent(exchange)

    async def _answer_late(self, exchange: Exchange, seconds: float) -> None:
        """The picture, but after the window; at once where the round ends."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._released.wait()
        await exchange.send(exchange.good())

    async def _stay_silent(self, exchange: Exchange) -> None:
        released, gone = asyncio.ensure_future(self._released.wait()), asyncio.ensure_future(exchange.client_gone())
        try:
            await asyncio.wait({released, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not gone.done():
                await reset(exchange)
        finally:
            released.cancel()
            gone.cancel()
            await asyncio.gather(released, gone, return_exceptions=True)

    def _shot(self, request: Received) -> str:
        _, _, rest = request.body.partition(b'name="prompt"\r\n\r\n')
        return rest.partition(b"\r\n")[0].decode(errors="replace") if rest else ""
