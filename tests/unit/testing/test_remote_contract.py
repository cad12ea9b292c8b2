"""The suite for providers of remote services finds what it is there to find: cancel, resume, refusal, outage, costs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from photochanger.core.domain.costs.call_cost import CallCost, Charged, ModelInfo
from photochanger.core.domain.slots.slot import RouteEntry
from photochanger.core.ports.provider import (
    Down,
    Provider,
    ProviderContext,
    ProviderRequest,
    ProviderResult,
    Rejected,
    Retryable,
    Unavailable,
)
from photochanger.testing import RemoteProviderContract, ServiceControls

from tests.support.painter import INFO, PICTURE, PRICE, Good, Painter

pytestmark = pytest.mark.anyio


class Suite(RemoteProviderContract):
    entries = (RouteEntry("painter", "paint", {"size": 3}),)
    resumes = True
    made: type[Good] = Good

    @pytest.fixture(autouse=True)
    def set_up(self) -> None:
        self.painter = Painter()

    def service(self) -> ServiceControls:
        return self.painter

    async def make_provider(self, context: ProviderContext) -> Provider:
        return self.made(context, self.painter)


class TestGood(Suite):
    """The suite passes over a provider without a fault."""


class NeverCancels(Good):
    def cancelled(self, number: str) -> None:
        """The work goes on, and is paid for."""


class SwallowsCancellation(Good):
    async def process(self, request: ProviderRequest) -> ProviderResult:
        try:
            return await super().process(request)
        except asyncio.CancelledError:
            return ProviderResult(PICTURE, cost=PRICE)


class NotesNothing(Good):
    async def begin(self, request: ProviderRequest) -> str:
        return self.painter.submit()


class BeginsAgain(Good):
    async def process(self, request: ProviderRequest) -> ProviderResult:
        return await super().process(msgspec.structs.replace(request, reference=None))


class NotesTheKey(Good):
    async def begin(self, request: ProviderRequest) -> str:
        await request.note_reference(f"https://painter.example/?key={await self.context.key()}")
        return self.painter.submit()


class NotesAtLength(Good):
    async def begin(self, request: ProviderRequest) -> str:
        await request.note_reference("x" * 1001)
        return self.painter.submit()


class GivesUpWhatIsForgotten(Good):
    async def process(self, request: ProviderRequest) -> ProviderResult:
        try:
            return await super().process(request)
        except Retryable as error:
            raise Unavailable(error.reason) from error


class RefusalIsAnOutage(Good):
    async def process(self, request: ProviderRequest) -> ProviderResult:
        try:
            return await super().process(request)
        except Rejected as error:
            raise Down(error.reason) from error


class TriesARefusalAgain(Good):
    async def process(self, request: ProviderRequest) -> ProviderResult:
        try:
            return await super().process(request)
        except Rejected:
            self.painter.next = "refuse"
            return await super().process(request)


class RefusalCostsDollars(Good):
    async def process(self, request: ProviderRequest) -> ProviderResult:
        try:
            return await super().process(request)
        except Rejected as error:
            raise Rejected(error.reason, cost=CallCost(usd_micros=0.04)) from error  # type: ignore[arg-type]


class OutageIsARefusal(Good):
    async def process(self, request: ProviderRequest) -> ProviderResult:
        try:
            return await super().process(request)
        except Down as error:
            raise Rejected(error.reason) from error


class ErrorTellsTheKey(Good):
    async def process(self, request: ProviderRequest) -> ProviderResult:
        try:
            return await super().process(request)
        except Down as error:
            raise Down(f"{error.reason} {await self.context.key()}") from error


class Priced(Good):
    amount: Any = 40_000
    exact: Any = False
    charged: Any = Charged.YES

    def expected_cost(self, operation_id: str, settings: Mapping[str, Any]) -> CallCost | None:
        if super().expected_cost(operation_id, settings) is None:
            return None
        return CallCost(usd_micros=self.amount, exact=self.exact, charged=self.charged)


class Negative(Priced):
    amount = -1


class InDollars(Priced):
    amount = 0.04


class InBillionths(Priced):
    amount = 40_000 * 1_000_000


class ExactBefore(Priced):
    exact = True


class ChargedByWord(Priced):
    charged = "sometimes"


class Fickle(Priced):
    def expected_cost(self, operation_id: str, settings: Mapping[str, Any]) -> CallCost | None:
        self.amount += 1
        return super().expected_cost(operation_id, settings)


class ForgetsTheCost(Good):
    async def process(self, request: ProviderRequest) -> ProviderResult:
        return msgspec.structs.replace(await super().process(request), cost=None)


class PricesWhatItCannotDo(Good):
    def expected_cost(self, operation_id: str, settings: Mapping[str, Any]) -> CallCost | None:
        return PRICE


class RaisesForUnfitSettings(Good):
    def expected_cost(self, operation_id: str, settings: Mapping[str, Any]) -> CallCost | None:
        self.check_settings(operation_id, settings)
        return PRICE


class ModelTwice(Good):
    info = msgspec.structs.replace(INFO, models=(*INFO.models, ModelInfo(id="oil")))


class PriceTwice(Good):
    info = msgspec.structs.replace(INFO, prices=INFO.prices * 2)


class NegativePrice(Good):
    info = msgspec.structs.replace(INFO, prices=(msgspec.structs.replace(INFO.prices[0], usd_micros=-1),))


class SeedOfText(Good):
    async def process(self, request: ProviderRequest) -> ProviderResult:
        return msgspec.structs.replace(await super().process(request), seed="7")


COSTS = "its_costs_are_amounts_that_a_ledger_can_keep"


@pytest.mark.parametrize(
    ("faulty", "test"),
    [
        (NeverCancels, "a_cancelled_call_is_given_up_at_the_service"),
        (SwallowsCancellation, "a_cancelled_call_is_given_up_at_the_service"),
        (NotesNothing, "references_are_noted_by_providers_that_resume_and_by_no_others"),
        (NotesTheKey, "references_are_noted_by_providers_that_resume_and_by_no_others"),
        (NotesAtLength, "references_are_noted_by_providers_that_resume_and_by_no_others"),
        (BeginsAgain, "work_of_a_worker_that_hangs_is_resumed_and_not_paid_twice"),
        (GivesUpWhatIsForgotten, "a_reference_that_the_service_has_forgotten_does_not_end_the_entry"),
        (RefusalIsAnOutage, "a_refusal_is_final_and_no_outage"),
        (TriesARefusalAgain, "a_refusal_is_final_and_no_outage"),
        (RefusalCostsDollars, "a_refusal_is_final_and_no_outage"),
        (OutageIsARefusal, "a_fault_of_the_service_is_an_outage"),
        (ErrorTellsTheKey, "a_fault_of_the_service_is_an_outage"),
        (Negative, COSTS),
        (InDollars, COSTS),
        (InBillionths, COSTS),
        (ExactBefore, COSTS),
        (ChargedByWord, COSTS),
        (Fickle, COSTS),
        (ForgetsTheCost, COSTS),
        (ModelTwice, COSTS),
        (PriceTwice, COSTS),
        (NegativePrice, COSTS),
        (PricesWhatItCannotDo, "what_cannot_be_done_has_no_price"),
        (RaisesForUnfitSettings, "what_cannot_be_done_has_no_price"),
        (SeedOfText, "each_example_gives_a_picture_that_decodes"),
    ],
)
async def test_a_fault_fails_the_test_that_it_should(
    faulty: type[Good], test: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite = Suite()
    monkeypatch.setattr(suite, "made", faulty, raising=False)
    if faulty is NeverCancels:
        monkeypatch.setattr(Painter, "was_given_up", _never_noticed)
    suite.painter = Painter()
    with pytest.raises((Exception, pytest.fail.Exception)):
        await getattr(suite, f"test_{test}")()


async def _never_noticed(painter: Painter) -> None:
    """What waiting for a cancel that never comes ends with, without the wait."""
    if not painter.given_up.is_set():
        raise TimeoutError


async def test_a_provider_that_resumes_nothing_must_say_so() -> None:
    class Forgetful(Suite):
        resumes = False

    suite = Forgetful()
    suite.painter = Painter()
    with pytest.raises(AssertionError, match="whether references are noted"):
        await suite.test_references_are_noted_by_providers_that_resume_and_by_no_others()
    suite.made = NotesNothing
    await suite.test_references_are_noted_by_providers_that_resume_and_by_no_others()


async def test_a_call_that_ends_while_the_service_holds_it_is_found() -> None:
    class Hasty(Good):
        async def process(self, request: ProviderRequest) -> ProviderResult:
            return ProviderResult(PICTURE)

    suite = Suite()
    suite.painter, suite.made = Painter(), Hasty
    with pytest.raises(AssertionError, match="ended before it was let go"):
        await suite.test_a_cancelled_call_is_given_up_at_the_service()
