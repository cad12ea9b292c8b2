"""The ServiceControls of the stand-ins of fal and Replicate, for `photochanger.testing.RemoteProviderContract`."""

from __future__ import annotations

from .fal import FalStandIn, policy
from .replicate import ReplicateStandIn
from .server import Answer, html, json_answer

_NEVER = 10**6


class HostControls:
    """Work is held by never being finished; its cancel is a call of its own."""

    def __init__(self, stand_in: FalStandIn | ReplicateStandIn) -> None:
        self._stand_in = stand_in
        self._before: frozenset[str] = frozenset()

    @property
    def submitted(self) -> int:
        return len(self._stand_in.works)

    async def hold(self) -> None:
        self._before = frozenset(self._stand_in.works)
        self._stand_in.steps = _NEVER
        if isinstance(self._stand_in, ReplicateStandIn):
            self._stand_in.waits = False

    async def has_begun(self) -> None:
        await self._stand_in.until(lambda: self._stand_in.works.keys() > self._before)

    async def was_given_up(self) -> None:
        held = self._stand_in.works.keys() - self._before
        await self._stand_in.until(lambda: held <= {*self._stand_in.cancels})

    async def release(self) -> None:
        self._stand_in.end()
        if isinstance(self._stand_in, ReplicateStandIn):
            self._stand_in.waits = True

    async def refuse(self) -> None:
        if isinstance(self._stand_in, FalStandIn):
            self._stand_in.script(policy(), call="result")
        else:
            self._stand_in.script(_REFUSED, call="create")

    async def fail(self) -> None:
        call = "submit" if isinstance(self._stand_in, FalStandIn) else "create"
        self._stand_in.script(html(502), call=call)


_REFUSED: Answer = json_answer(
    {"id": "prefused", "status": "failed", "error": "The input was flagged as sensitive. (E005)"}, status=201
)
