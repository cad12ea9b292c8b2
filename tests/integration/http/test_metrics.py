"""`/metrics` of a running service: what cameras and providers do shows in it, and nothing from outside is a label."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from photochanger.core.domain.accounts import COMMAND_LINE, Permission
from photochanger.core.domain.costs.budgets import SlotBudget
from photochanger.core.domain.costs.call_cost import CallCost
from photochanger.core.domain.errors import QueueUnavailable, StorageUnavailable
from photochanger.core.domain.routing.provider_usage import Breaker
from photochanger.core.domain.worker import SILENT_AFTER, WorkerReport, WorkerStatus
from photochanger.core.ports.job_queue import JobQueue
from photochanger.core.ports.provider import ProviderRequest, Rejected
from photochanger.core.ports.workers import WorkerRegistry
from photochanger.core.services.media.disk_space import DiskSpace, SpaceStatus
from photochanger.core.services.settings.service import SettingsService
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse

from tests.support.administration import described, token_of
from tests.support.daytime import zone_at
from tests.support.http_server import Service, form, serving, until
from tests.support.service import HANG_SECONDS

pytestmark = pytest.mark.anyio

BREAKER = "photochanger_provider_breaker_state"
GIB = 1024**3
LONG_AGO = datetime(2026, 5, 1, 12, tzinfo=UTC)
TOKEN = "a-token-for-prometheus-of-the-studio"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
COUNT = "photochanger_ingest_duration_seconds_count"


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    async with serving(tmp_path, metrics_token=TOKEN) as running:
        yield running


async def page(service: Service) -> dict[str, dict[tuple[str, ...], float]]:
    """The samples by name and by the values of their labels."""
    answer = await service.client.get("/metrics", headers=BEARER)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in parse(answer.text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sorted(sample.labels.values()))] = sample.value
    return found


async def test_each_request_is_counted_by_slot_and_outcome(service: Service) -> None:
    async def refuse(request: ProviderRequest) -> bytes:
        raise Rejected("not this one")

    assert (await service.ingest()).status_code == 200
    assert (await service.ingest(headers={"Prefer": "respond-async"})).status_code == 202
    assert (await service.post_form("slot-002", form(password="wrong password"))).status_code == 401
    assert (await service.ingest("slot-099")).status_code == 404
    assert (await service.ingest("no-slot-" + "x" * 80)).status_code == 404
    service.provider.script = refuse
    assert (await service.ingest("slot-003")).status_code == 502
    assert (await page(service))[COUNT] == {
        ("slot-001", "success"): 1,
        ("accepted", "slot-001"): 1,
        ("refused", "slot-002"): 1,
        ("none", "refused"): 2,
        ("provider_error", "slot-003"): 1,
    }


async def test_active_jobs_and_breakers_are_as_they_are_now(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("photochanger.entrypoints.metrics.collector._MAX_AGE", timedelta(0))
    await service.ingest()
    async with asyncio.timeout(HANG_SECONDS):  # a call is noted in its provider's figures behind the guest's back
        while BREAKER not in (seen := await page(service)):
            pass
    assert seen["photochanger_jobs_active"] == {("pending",): 0, ("processing",): 0}
    assert seen[BREAKER] == {(state.value, "scripted"): float(state is Breaker.CLOSED) for state in Breaker}


async def test_the_bound_the_workers_and_the_room_are_those_in_force(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("photochanger.entrypoints.metrics.collector._MAX_AGE", timedelta(0))
    registry = await service.opened.container.get(WorkerRegistry)
    await registry.heartbeat(WorkerReport(name="one", host="booth", pid=7, concurrency=4, running=0, version="1"))
    lost = WorkerReport(name="lost", host="booth", pid=8, concurrency=4, running=0, version="1")
    fell_silent = WorkerStatus(report=lost, started_at=LONG_AGO, seen_at=LONG_AGO, age=SILENT_AFTER)
    known = registry.all

    async def with_the_lost_one() -> list[WorkerStatus]:
        return [*await known(), fell_silent]

    monkeypatch.setattr(registry, "all", with_the_lost_one)

    async def own_reports() -> bool:
        return any(worker.report.name != "one" for worker in await known())

    await until(own_reports)
    others = sum(worker.report.name != "one" for worker in await known())
    space = await service.opened.container.get(DiskSpace)

    async def room() -> SpaceStatus:
        return SpaceStatus(free_bytes=3 * GIB, floor_bytes=GIB)

    monkeypatch.setattr(space, "room", room)
    settings = await service.opened.container.get(SettingsService)
    await settings.change({"max_active_jobs": 12}, expected_version=None, by=COMMAND_LINE)
    seen = await page(service)
    assert seen["photochanger_media_free_bytes"] == {(): 3 * GIB}
    assert seen["photochanger_media_floor_bytes"] == {(): GIB}
    assert seen["photochanger_jobs_limit"] == {(): 12}
    assert seen["photochanger_workers_alive"] == {(): others + 1}


async def test_a_store_that_cannot_be_asked_leaves_only_its_room_out(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = await service.opened.container.get(DiskSpace)

    async def away() -> None:
        raise StorageUnavailable("away")

    monkeypatch.setattr(space, "room", away)
    monkeypatch.setattr("photochanger.entrypoints.metrics.collector._MAX_AGE", timedelta(0))
    seen = await page(service)
    assert "photochanger_media_free_bytes" not in seen
    assert "photochanger_jobs_active" in seen


async def test_without_a_database_the_counts_are_told_all_the_same(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    await service.ingest()
    queue = await service.opened.container.get(JobQueue)

    async def away() -> None:
        raise QueueUnavailable("away")

    monkeypatch.setattr(queue, "depth", away)
    monkeypatch.setattr("photochanger.entrypoints.metrics.collector._MAX_AGE", timedelta(0))
    seen = await page(service)
    assert not {"photochanger_jobs_active", "photochanger_jobs_limit", "photochanger_workers_alive"} & seen.keys()
    assert seen[COUNT] == {("slot-001", "success"): 1}


async def test_scrapers_that_take_openmetrics_get_it(service: Service) -> None:
    await service.ingest()
    answer = await service.client.get(
        "/metrics", headers=BEARER | {"Accept": "application/openmetrics-text;version=1.0.0"}
    )
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert any(family.name == "photochanger_ingest_duration_seconds" for family in parse_openmetrics(answer.text))


async def test_many_scrapes_at_once_look_once(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    await page(service)  # whatever the start of the service began to collect has been collected
    queue = await service.opened.container.get(JobQueue)
    looks = 0
    depth = queue.depth

    async def counted() -> object:
        nonlocal looks
        looks += 1
        return await depth()

    monkeypatch.setattr(queue, "depth", counted)
    later = service.clock.monotonic() + timedelta(hours=1)  # too late for what was seen; then no time passes
    monkeypatch.setattr(service.clock, "monotonic", lambda: later)
    await asyncio.gather(*(service.client.get("/metrics", headers=BEARER) for _ in range(20)))
    assert looks == 1


async def test_head_is_answered(service: Service) -> None:
    answer = await service.client.head("/metrics", headers=BEARER)
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_without_their_token_no_metrics_are_shown(service: Service, method: str) -> None:
    administrators = await token_of(service, *Permission)
    for given in (
        "",
        "Bearer",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        f"Basic {TOKEN}",
        f"Bearer {administrators}",
    ):
        answer = await service.client.request(method, "/metrics", headers={"Authorization": given} if given else {})
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert "photochanger_" not in answer.text
    described(await service.client.get(f"/metrics?token={TOKEN}"), 401, "invalid_token")


async def test_the_token_of_the_metrics_opens_nothing_else(service: Service) -> None:
    described(await service.client.get("/api/me", headers=BEARER), 401, "invalid_token")


async def test_where_no_token_is_set_there_are_no_metrics(tmp_path: Path) -> None:
    async with serving(tmp_path / "other") as service:
        described(await service.client.get("/metrics"), 404, "not_found")
        for given in ("Bearer", "Bearer None"):
            described(await service.client.get("/metrics", headers={"Authorization": given}), 404, "not_found")


async def test_costs_and_budgets_of_today_are_counted_by_slot(service: Service) -> None:
    service.provider.price, service.provider.cost = CallCost(usd_micros=30_000), CallCost(usd_micros=41_500, exact=True)
    settings = await service.opened.container.get(SettingsService)
    budget = {"budget_per_day": 10, "time_zone": zone_at(12)}
    await settings.change(budget, expected_version=None, by=COMMAND_LINE)
    await service.change_slot("slot-001", budget=SlotBudget(1_000_000))
    assert (await service.ingest()).status_code == 200
    assert (await page(service))["photochanger_provider_cost_usd_total"] == {("scripted", "slot-001"): 0.0415}

    async def shown() -> bool:  # gauges are at most a second old
        return (await page(service)).get("photochanger_budget_spent_usd") == {("all",): 0.0415, ("slot-001",): 0.0415}

    await until(shown)
    assert (await page(service))["photochanger_budget_limit_usd"] == {("all",): 10.0, ("slot-001",): 1.0}
