"""What `doctor` says of providers: the part, what was seen, and what to do about it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import timedelta
from typing import Any

import pytest
from photochanger.adapters.memory import (
    FakeClock,
    MemoryProviderCheckRepository,
    MemorySecretRepository,
    MemorySlotRepository,
)
from photochanger.adapters.security import AesSecretBox
from photochanger.core.domain.accounts import COMMAND_LINE
from photochanger.core.domain.costs.call_cost import CallCost
from photochanger.core.domain.errors import InvalidSettings, QueueUnavailable
from photochanger.core.domain.field_errors import FieldError, FieldErrorCode
from photochanger.core.domain.media import ImageLimits, PictureNeeds
from photochanger.core.domain.routing.provider_check import ProviderFinding, ProviderFindingCode
from photochanger.core.domain.slots.slot import Route, RouteEntry, Slot
from photochanger.core.ports.provider import OperationInfo, Provider, ProviderInfo, ProviderRequest, ProviderResult
from photochanger.core.ports.secrets import SecretRepository
from photochanger.core.services.providers.api_keys import ProviderKeys
from photochanger.core.services.providers.checks import ProviderChecks
from photochanger.core.services.providers.registry import ProviderRegistry
from photochanger.entrypoints.config import Settings
from photochanger.entrypoints.diagnostics.finding import Finding, FindingCode
from photochanger.entrypoints.diagnostics.provider_checks import provider_findings
from photochanger.entrypoints.provider_plugins import SkippedPlugin

from tests.support.world import FaultInjector

pytestmark = pytest.mark.anyio

SECRET = "the secret of this service, which is long enough"


class Far:
    """A provider whose service says what the test lets it say."""

    def __init__(self, id: str = "far", *sentences: str, **info: Any) -> None:
        needs = PictureNeeds(("image/jpeg",), 1000, 1000)
        operation = OperationInfo(id="draw", title="Draw", settings_schema={"type": "object"}, needs=needs)
        self.info = ProviderInfo(id=id, title=id, operations=(operation,), **info)
        self.answer: Callable[[], Awaitable[list[ProviderFinding]]] = self._sentences
        self.asked: list[list[RouteEntry]] = []
        self._said = sentences

    def expected_cost(self, operation_id: str, settings: Mapping[str, Any]) -> CallCost | None:
        return None

    def check_settings(self, operation_id: str, settings: Mapping[str, Any]) -> None:
        if settings.get("wrong") == "broken":
            raise RuntimeError("a fault of the package")
        if "wrong" in settings:
            raise InvalidSettings([FieldError("wrong", FieldErrorCode.UNKNOWN_FIELD)])

    async def process(self, request: ProviderRequest) -> ProviderResult:
        raise AssertionError("doctor makes no pictures")

    async def diagnose(self, used: Collection[RouteEntry]) -> list[ProviderFinding]:
        self.asked.append(list(used))
        return await self.answer()

    async def _sentences(self) -> list[ProviderFinding]:
        return [ProviderFinding(code=ProviderFindingCode.FAILED, detail=said) for said in self._said]

    async def close(self) -> None:
        """Nothing is held."""


def slot(number: int, *entries: RouteEntry, active: bool = True) -> Slot:
    return Slot(id=f"slot-{number:03d}", name=f"Slot {number}", active=active, route=Route(entries=entries))


async def findings(
    *providers: Provider,
    slots: Collection[Slot] = (),
    skipped: Collection[SkippedPlugin] = (),
    secrets: SecretRepository | None = None,
    kept: MemoryProviderCheckRepository | None = None,
    timeout: timedelta = timedelta(minutes=1),
    **settings: Any,
) -> list[Finding]:
    configured = Settings(**settings)
    box = AesSecretBox(lambda: SECRET)
    clock = FakeClock()
    registry = ProviderRegistry(providers, limits=ImageLimits(max_pixels=1000))
    return await provider_findings(
        slots=slots,
        catalogue=registry,
        skipped=skipped,
        keys=ProviderKeys(secrets or MemorySecretRepository(), box, FakeClock(), environment=configured.provider_keys),
        settings=configured,
        checks=ProviderChecks(registry, MemorySlotRepository(clock), kept or MemoryProviderCheckRepository(), clock),
        timeout=timeout,
    )


ROUTE = Finding("slot-001", "Slot 1: far/draw").coded(FindingCode.SLOT_READY, name="Slot 1", route="far/draw")


async def test_where_all_is_well_nothing_needs_a_fix() -> None:
    far = Far(needs_key=True)
    entry = RouteEntry("far", "draw", {"size": 3})
    found = await findings(far, slots=[slot(1, entry)], provider_keys={"far": "k"})
    assert found == [ROUTE, Finding("provider far", "works")]
    assert far.asked == [[entry]]


async def test_what_the_service_says_is_passed_on_sentence_by_sentence() -> None:
    found = await findings(Far("far", "The key is refused.", "There is no model m-9."), slots=[slot(1, entry())])
    said = [finding.says for finding in found if finding.fix and finding.part == "provider far"]
    assert said == ["The key is refused.", "There is no model m-9."]


async def test_only_the_entries_of_active_slots_are_asked_about_and_each_provider_once() -> None:
    far, near = Far(), Far("near")
    used = [RouteEntry("far", "draw", {"n": 1}), RouteEntry("far", "draw", {"n": 2})]
    slots = [slot(1, used[0]), slot(2, used[1]), slot(3, RouteEntry("near", "draw"), active=False)]
    await findings(far, near, slots=slots)
    assert far.asked == [used]
    assert near.asked == []


async def test_a_provider_on_this_machine_says_only_what_is_missing() -> None:
    assert await findings(Far(on_this_machine=True), slots=[slot(1, entry())]) == [ROUTE]
    here = Far("far", "An extra is missing.", on_this_machine=True)
    assert [found.says for found in await findings(here, slots=[slot(1, entry())])] == [
        "Slot 1: far/draw",
        "An extra is missing.",
    ]


async def test_a_missing_key_names_the_command_and_the_variable_and_saves_the_call() -> None:
    far = Far("far-off", needs_key=True)
    found = await findings(far, slots=[slot(1, RouteEntry("far-off", "draw"))])
    (missing,) = [finding for finding in found if finding.fix]
    assert missing.part == "key of far-off"
    assert missing.fix == ("Run `photochanger providers set-key far-off`, or set PHOTOCHANGER_FAR_OFF_API_KEY.")
    assert far.asked == []


async def test_a_key_that_is_missing_where_no_active_slot_needs_it_is_no_trouble() -> None:
    assert await findings(Far(needs_key=True), slots=[slot(1, entry(), active=False)]) == []


async def test_a_stored_key_that_cannot_be_opened_is_told_whether_it_is_used_or_not() -> None:
    secrets = MemorySecretRepository()
    box = AesSecretBox(lambda: "another secret, which is long enough as well")
    keys = ProviderKeys(secrets, box, FakeClock(), environment={})
    for provider_id in ("far", "uninstalled"):
        await keys.set(provider_id, "sk-4711", by=COMMAND_LINE)
    far = Far(needs_key=True)
    found = await findings(far, slots=[slot(1, entry())], secrets=secrets)
    broken = [finding for finding in found if finding.fix]
    assert [finding.part for finding in broken] == ["key of far", "key of uninstalled"]
    for finding in broken:
        assert "PHOTOCHANGER_SECRET_KEY has changed" in finding.says
        assert "set-key" in (finding.fix or "")
    assert far.asked == []


async def test_keys_that_cannot_be_read_are_a_finding_and_no_traceback() -> None:
    away = FaultInjector(MemorySecretRepository())
    away.faults["*"] = QueueUnavailable("The database is away.")
    found = await findings(Far(), slots=[slot(1, entry())], secrets=away)
    away_says = "The database is away."
    unread = Finding("keys of providers", away_says, "Check that PostgreSQL is running.")
    assert unread.coded(FindingCode.KEYS_UNKNOWN, reason=away_says) in found


async def test_public_links_without_an_address_are_told() -> None:
    far = Far(needs_public_url=True)
    (told, _) = await findings(far, slots=[slot(1, entry())])
    assert told.fix is not None
    assert "PHOTOCHANGER_PUBLIC_BASE_URL" in told.fix
    (fine, _) = await findings(far, slots=[slot(1, entry())], public_base_url="https://photos.example")
    assert fine.fix is None


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (RouteEntry("gone", "draw"), "Unknown operation 'draw' of provider 'gone'"),
        (RouteEntry("far", "paint"), "Unknown operation 'paint' of provider 'far'"),
        (RouteEntry("far", "draw", {"wrong": 1}), "wrong: Unknown field."),
        (RouteEntry("far", "draw", {"wrong": "broken"}), "far failed: RuntimeError"),
    ],
)
async def test_an_entry_that_cannot_be_used_is_told_with_its_slot(wrong: RouteEntry, said: str) -> None:
    found = await findings(Far(), slots=[slot(1, entry(), wrong), slot(2, entry())])
    by_part = {finding.part: finding for finding in found}
    assert said in by_part["slot-001"].says
    assert by_part["slot-001"].fix
    assert by_part["slot-002"].fix is None


async def test_an_active_slot_without_a_route_is_told() -> None:
    (found,) = await findings(slots=[slot(1)])
    empty = Finding("slot-001", "Slot 1: active, but its route is empty", "Add a route to the slot.")
    assert found == empty.coded(FindingCode.SLOT_ROUTE_EMPTY, name="Slot 1")


async def test_a_package_that_was_left_out_is_told() -> None:
    (found,) = await findings(skipped=(SkippedPlugin("booth", "photo-booths", "its factory failed: KeyError"),))
    assert found.part == "provider booth"
    assert "photo-booths: its factory failed: KeyError" in found.says
    assert found.fix


async def test_services_that_hang_are_given_up_together_and_the_others_heard() -> None:
    async def never() -> list[ProviderFinding]:
        return await asyncio.get_running_loop().create_future()

    hanging = [Far(f"hanging-{number}") for number in range(5)]
    for far in hanging:
        far.answer = never
    slots = [slot(number, RouteEntry(far.info.id, "draw")) for number, far in enumerate([*hanging, Far("fine")], 1)]
    found = await findings(*hanging, Far("fine"), slots=slots, timeout=timedelta(seconds=1))
    by_part = {finding.part: finding for finding in found}
    assert by_part["provider fine"] == Finding("provider fine", "works")
    for far in hanging:
        assert by_part[f"provider {far.info.id}"].says == "no response within 1 s"
        assert len(far.asked) == 1


async def test_a_diagnosis_that_breaks_is_a_finding_and_no_traceback() -> None:
    async def broken() -> list[ProviderFinding]:
        raise RuntimeError("with the key sk-4711 in its text")

    far = Far()
    far.answer = broken
    (_, found) = await findings(far, slots=[slot(1, entry())])
    assert found == Finding("provider far", "its check failed: RuntimeError", "Update the package.")


async def test_a_deprecated_model_is_to_be_changed_and_one_that_cannot_be_checked_is_not() -> None:
    async def ageing() -> list[ProviderFinding]:
        codes = ProviderFindingCode.MODEL_DEPRECATED, ProviderFindingCode.MODEL_NOT_CHECKED
        return [ProviderFinding(code=code, detail=str(code)) for code in codes]

    far, kept = Far(), MemoryProviderCheckRepository()
    far.answer = ageing
    (_, deprecated, unchecked) = await findings(far, slots=[slot(1, entry())], kept=kept)
    assert deprecated == Finding("provider far", "model_deprecated", "Choose another model in the slots that use it.")
    assert unchecked == Finding("provider far", "model_not_checked")
    (check,) = await kept.all()
    assert check.works
    assert len(check.findings) == 2


def entry() -> RouteEntry:
    return RouteEntry("far", "draw")
