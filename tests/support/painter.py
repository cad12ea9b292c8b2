"""An invented service in this process, and a provider of it without a fault: what faults are made of."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from typing import Any

from photochanger.core.domain.costs.call_cost import FREE, CallCost, ModelInfo, Price, PriceUnit
from photochanger.core.domain.errors import InvalidSettings
from photochanger.core.domain.field_errors import FieldError, FieldErrorCode
from photochanger.core.domain.media import PictureNeeds
from photochanger.core.domain.routing.provider_check import ProviderFinding, ProviderFindingCode
from photochanger.core.domain.slots.slot import RouteEntry
from photochanger.core.ports.provider import (
    Down,
    NotConfigured,
    OperationInfo,
    ProviderContext,
    ProviderInfo,
    ProviderRequest,
    ProviderResult,
    Rejected,
    Retryable,
)
from photochanger.testing import sample_picture

PICTURE = sample_picture().data
PRICE = CallCost(usd_micros=40_000)
INFO = ProviderInfo(
    id="painter",
    title="Painter",
    needs_key=True,
    models=(ModelInfo(id="oil-2", aliases=("oil",)), ModelInfo(id="oil-1")),
    prices=(Price(model="oil-2", what="picture", unit=PriceUnit.PICTURE, usd_micros=40_000),),
    operations=(
        OperationInfo(
            id="paint",
            title="Paint",
            settings_schema={"type": "object", "properties": {"size": {"type": "integer"}}},
            needs=PictureNeeds(("image/jpeg",), 10**7, 10**7),
        ),
    ),
)


class Painter:
    """The service, in this process: work is submitted, waited for, and cancelled by its number."""

    def __init__(self) -> None:
        self.submitted = 0
        self.working: dict[str, asyncio.Event] = {}
        self.given_up = asyncio.Event()
        self.begun = asyncio.Event()
        self.next: str | None = None

    def submit(self) -> str:
        mode, self.next = self.next, None
        if mode == "fail":
            raise Down("The service fails (503).")
        self.submitted += 1
        done = asyncio.Event()
        if mode == "hold":
            self.begun.set()
        elif mode != "refuse":
            done.set()
        number = f"{'refused' if mode == 'refuse' else 'work'}-{self.submitted}"
        self.working[number] = done
        return number

    async def finished(self, number: str) -> bytes:
        if number not in self.working:
            raise Retryable("The service does not know this work.")
        if number.startswith("refused"):
            raise Rejected("The service refuses the photo: content policy.", cost=FREE)
        await self.working[number].wait()
        return PICTURE

    def cancel(self, number: str) -> None:
        self.given_up.set()

    async def hold(self) -> None:
        self.next = "hold"
        self.begun.clear()
        self.given_up.clear()

    async def has_begun(self) -> None:
        await self.begun.wait()

    async def was_given_up(self) -> None:
        await self.given_up.wait()

    async def release(self) -> None:
        for done in self.working.values():
            done.set()

    async def refuse(self) -> None:
        self.next = "refuse"

    async def fail(self) -> None:
        self.next = "fail"


class Good:
    """A provider of that service without a fault."""

    info = INFO

    def __init__(self, context: ProviderContext, painter: Painter) -> None:
        self.context = context
        self.painter = painter

    def expected_cost(self, operation_id: str, settings: Mapping[str, Any]) -> CallCost | None:
        try:
            self.check_settings(operation_id, settings)
        except InvalidSettings:
            return None
        return PRICE

    def check_settings(self, operation_id: str, settings: Mapping[str, Any]) -> None:
        if operation_id != "paint":
            raise InvalidSettings([FieldError("operation_id", FieldErrorCode.REQUIRED)])
        if unknown := sorted(set(settings) - {"size"}):
            raise InvalidSettings([FieldError(name, FieldErrorCode.UNKNOWN_FIELD) for name in unknown])

    async def process(self, request: ProviderRequest) -> ProviderResult:
        if not await self.context.key():
            raise NotConfigured("The key is missing.")
        try:
            self.check_settings(request.operation_id, request.settings)
        except InvalidSettings as error:
            raise Rejected(error.detail) from error
        await asyncio.sleep(0)
        number = request.reference or await self.begin(request)
        try:
            data = await self.painter.finished(number)
        except asyncio.CancelledError:
            self.cancelled(number)
            raise
        return ProviderResult(data, cost=CallCost(usd_micros=41_250, exact=True), model="oil-2", seed=7)

    async def begin(self, request: ProviderRequest) -> str:
        number = self.painter.submit()
        await request.note_reference(number)
        return number

    def cancelled(self, number: str) -> None:
        self.painter.cancel(number)

    async def diagnose(self, used: Collection[RouteEntry]) -> list[ProviderFinding]:
        if await self.context.key():
            return []
        return [ProviderFinding(code=ProviderFindingCode.KEY_MISSING, detail="The key is missing.")]

    async def close(self) -> None:
        """Nothing is held."""
