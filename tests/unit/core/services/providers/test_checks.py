"""Checks of providers: what is asked, what is kept, and how often."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any

import pytest
from photochanger.adapters.memory import FakeClock, MemoryProviderCheckRepository, MemorySlotRepository
from photochanger.core.domain.costs.call_cost import CallCost
from photochanger.core.domain.errors import ProviderNotFound
from photochanger.core.domain.media import ImageLimits, PictureNeeds
from photochanger.core.domain.routing.provider_check import ProviderFinding, ProviderFindingCode
from photochanger.core.domain.slots.slot import Route, RouteEntry, Slot
from photochanger.core.ports.provider import OperationInfo, ProviderInfo, ProviderRequest, ProviderResult
from photochanger.core.services.providers.checks import MIN_INTERVAL, ProviderChecks
from photochanger.core.services.providers.registry import ProviderRegistry

pytestmark = pytest.mark.anyio

SCHEMA: dict[str, Any] = {"type": "object", "properties": {"model": {"type": "string", "default": "m-default"}}}


class Asked:
    """A provider that notes what it is asked about."""

    def __init__(self, *codes: ProviderFindingCode) -> None:
        operation = OperationInfo(
            id="draw", title="Draw", settings_schema=SCHEMA, needs=PictureNeeds(("image/jpeg",), 1000, 1000)
        )
        self.info = ProviderInfo(id="far", title="Far", operations=(operation,))
        self.codes = codes
        self.asked: list[list[RouteEntry]] = []

    def expected_cost(self, operation_id: str, settings: Mapping[str, Any]) -> CallCost | None:
        return None

    def check_settings(self, operation_id: str, settings: Mapping[str, Any]) -> None: ...

    async def process(self, request: ProviderRequest) -> ProviderResult:
        raise AssertionError("a check makes no picture")

    async def diagnose(self, used: Collection[RouteEntry]) -> list[ProviderFinding]:
        self.asked.append(list(used))
        await asyncio.sleep(0)
        return [ProviderFinding(code=code, detail=str(code)) for code in self.codes]

    async def close(self) -> None: ...


class Set:
    """The service over memory with slots of these entries."""

    def __init__(self, provider: Asked, *slots: Slot) -> None:
        self.clock = FakeClock()
        self.kept = MemoryProviderCheckRepository()
        self.slots = MemorySlotRepository(self.clock)
        self._slots = slots
        registry = ProviderRegistry([provider], limits=ImageLimits(max_pixels=1000))
        self.checks = ProviderChecks(registry, self.slots, self.kept, self.clock)

    async def fill(self) -> ProviderChecks:
        await self.slots.add_missing(self._slots)
        return self.checks


def slot(number: int, *models: str, active: bool = True) -> Slot:
    entries = tuple(RouteEntry("far", "draw", {"model": model} if model else {}) for model in models)
    return Slot(id=f"slot-{number:03d}", name="A slot", active=active, route=Route(entries=entries))


async def test_the_entries_of_active_slots_are_asked_about() -> None:
    far = Asked()
    checks = await Set(far, slot(1, "m-2", ""), slot(2, "m-1"), slot(3, "m-3", active=False)).fill()
    check = await checks.check("far")
    assert [entry.settings.get("model") for entry in far.asked[0]] == ["m-2", None, "m-1"]
    assert check.models == ("m-1", "m-2", "m-default")
    assert check.works
    assert await checks.last() == {"far": check}


async def test_a_provider_that_no_slot_uses_is_asked_about_its_default() -> None:
    far = Asked()
    check = await (await Set(far).fill()).check("far")
    assert far.asked == [[RouteEntry("far", "draw")]]
    assert check.models == ("m-default",)


@pytest.mark.parametrize(
    ("code", "works"),
    [(code, code in ("model_deprecated", "model_not_checked")) for code in ProviderFindingCode],
)
async def test_only_findings_that_stop_calls_make_it_fail(code: ProviderFindingCode, works: bool) -> None:
    assert (await (await Set(Asked(code)).fill()).check("far")).works is works


async def test_clicks_at_once_are_one_check_and_a_later_one_is_new() -> None:
    far = Asked()
    world = Set(far)
    checks = await world.fill()
    first, second = await asyncio.gather(checks.check("far"), checks.check("far"))
    assert first == second
    assert len(far.asked) == 1
    await world.clock.advance(MIN_INTERVAL)
    assert (await checks.check("far")).checked_at > first.checked_at
    assert len(far.asked) == 2


async def test_a_check_that_hangs_is_a_finding_and_is_kept() -> None:
    class Hanging(Asked):
        async def diagnose(self, used: Collection[RouteEntry]) -> list[ProviderFinding]:
            return await asyncio.get_running_loop().create_future()

    far = Hanging()
    checks = await Set(far).fill()
    check = await checks.check_entries(far, [RouteEntry("far", "draw")], timeout=timedelta(milliseconds=20))
    assert [finding.code for finding in check.findings] == [ProviderFindingCode.UNREACHABLE]
    assert (await checks.last())["far"] == check


async def test_a_fault_of_a_package_is_a_finding_without_its_words() -> None:
    class Broken(Asked):
        async def diagnose(self, used: Collection[RouteEntry]) -> list[ProviderFinding]:
            raise RuntimeError("with the key sk-4711 in it")

    (finding,) = (await (await Set(Broken()).fill()).check("far")).findings
    assert (finding.code, finding.detail) == (ProviderFindingCode.BROKEN, "its check failed: RuntimeError")


async def test_an_unknown_provider_is_not_found() -> None:
    with pytest.raises(ProviderNotFound):
        await (await Set(Asked()).fill()).check("near")
