"""Statistics over HTTP: periods of the caller's zone, sums, pages, and refusals that name the parameter."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from photochanger.core.domain.accounts import Permission
from photochanger.core.domain.job import FailureReason, JobSource
from photochanger.core.ports.job_queue import JobQueue
from photochanger.core.ports.provider import ProviderRequest, Rejected
from photochanger.core.ports.repositories.slot_repository import SlotRepository
from photochanger.core.ports.stats_service import StatsService

from tests.support.administration import Administrator, described, fields_of, token_of
from tests.support.builders import new_job, outcome_failed, outcome_succeeded
from tests.support.http_server import Service

pytestmark = pytest.mark.anyio

BERLIN = ZoneInfo("Europe/Berlin")
SPRING = datetime(2026, 3, 29, tzinfo=BERLIN)
"""The day on which clocks in Berlin go from 2 to 3."""

MINUTE = timedelta(minutes=1)


@pytest.fixture
async def history(service: Service) -> None:
    """Pictures of slot-001 after 1 s and 4 s, a timeout of slot-002, a test run; all on the day with 23 hours."""
    await ended(service, SPRING, took=timedelta(seconds=1))
    await ended(service, SPRING.replace(hour=23, minute=59), took=timedelta(seconds=4), provider_id="gemini")
    await ended(service, SPRING.replace(hour=12), source=JobSource.TEST)
    queue = await service.opened.container.get(JobQueue)
    job = await queue.enqueue(new_job(slot_id="slot-002"), max_active=10)
    outcome = outcome_failed(job, failure_reason=FailureReason.TIMEOUT, finalized_at=SPRING.replace(hour=12))
    assert await queue.mark_finalized(job.id, outcome, claim=None)


async def ended(
    service: Service,
    at: datetime,
    *,
    took: timedelta = timedelta(seconds=1),
    source: JobSource = JobSource.INGEST,
    provider_id: str = "local",
) -> None:
    queue = await service.opened.container.get(JobQueue)
    job = await queue.enqueue(new_job(source=source, created_at=at - took), max_active=10)
    outcome = outcome_succeeded(job, finalized_at=at, provider_id=provider_id)
    assert await queue.mark_finalized(job.id, outcome, claim=None)


def counts(period: dict[str, Any]) -> tuple[int, int, int]:
    return period["success"], period["timeouts"], period["ingest_count"]


@pytest.mark.usefixtures("history")
async def test_a_slot_is_told_of_by_days_of_the_zone_and_empty_days_are_there(admin: Administrator) -> None:
    body = await admin.get("/api/stats/slot-001?from=2026-03-28T00:00:00&to=2026-03-31T00:00:00&tz=Europe/Berlin")
    assert body["slot_id"] == "slot-001"
    assert body["range"] == {
        "from": "2026-03-28T00:00:00+01:00",
        "to": "2026-03-31T00:00:00+02:00",
        "group_by": "day",
        "tz": "Europe/Berlin",
    }
    assert body["summary"] == {
        "success": 2,
        "fallback": 0,
        "timeouts": 0,
        "provider_errors": 0,
        "cancelled": 0,
        "errors": 0,
        "ingest_count": 2,
        "success_rate": 1.0,
        "cost": {
            "usd_micros": 0,
            "estimated_usd_micros": 0,
            "unknown_usd_micros": 0,
            "calls": 0,
            "unpriced_calls": 0,
        },
        "last_reset_at": None,
    }
    assert [counts(period) for period in body["metrics"]] == [(0, 0, 0), (2, 0, 2), (0, 0, 0)]
    day = body["metrics"][1]
    assert (day["period_start"], day["period_end"]) == ("2026-03-29T00:00:00+01:00", "2026-03-30T00:00:00+02:00")
    assert [(one["provider_id"], one["success"]) for one in day["providers"]] == [("gemini", 1), ("local", 1)]
    assert day["latency_ms"]["p50"] == pytest.approx(1000, rel=0.08)
    assert day["latency_ms"]["p95"] == day["latency_ms"]["p99"] == pytest.approx(4000, rel=0.08)
    assert body["metrics"][0]["latency_ms"] == {"p50": None, "p95": None, "p99": None}


@pytest.mark.usefixtures("history")
async def test_the_day_on_which_the_clock_goes_on_has_23_hours(admin: Administrator) -> None:
    body = await admin.get(
        "/api/stats/slot-001?from=2026-03-29T00:00:00&to=2026-03-30T00:00:00&group_by=hour&tz=Europe/Berlin"
    )
    assert len(body["metrics"]) == 23
    assert [counts(period)[0] for period in body["metrics"]] == [1, *[0] * 21, 1]


@pytest.mark.usefixtures("history")
async def test_what_ended_before_the_mark_is_left_out_of_the_slot_alone(service: Service, admin: Administrator) -> None:
    mark = SPRING.replace(hour=8)
    slots = await service.opened.container.get(SlotRepository)
    await slots.reset_stats("slot-001", at=mark)
    span = "from=2026-03-29T00:00:00Z&to=2026-03-30T00:00:00Z"
    body = await admin.get(f"/api/stats/slot-001?{span}")
    assert body["summary"]["success"] == 1
    assert datetime.fromisoformat(body["summary"]["last_reset_at"]) == mark
    everything = await admin.get(f"/api/stats/global?{span}&slot_id=slot-001")
    assert datetime.fromisoformat(everything["summary"]["last_reset_at"]) == mark
    assert everything["summary"]["success"] == 1  # the first picture ended at 23:00Z the day before
    wider = await admin.get("/api/stats/global?from=2026-03-28T00:00:00Z&to=2026-03-30T00:00:00Z&slot_id=slot-001")
    assert wider["summary"]["success"] == 2
    assert [(one["slot_id"], one["success"]) for one in wider["slots"]] == [("slot-001", 2)]


@pytest.mark.usefixtures("history")
async def test_all_slots_are_sorted_and_paged(service: Service, admin: Administrator) -> None:
    span = "from=2026-03-28T00:00:00&to=2026-04-03T00:00:00&tz=Europe/Berlin"
    await (await service.opened.container.get(StatsService)).fold(before=SPRING + timedelta(days=9), limit=100)
    body = await admin.get(f"/api/stats/global?{span}&sort_by=ingest_count&sort_order=desc&page_size=2")
    assert (body["page"], body["page_size"], body["total"]) == (1, 2, 6)
    assert [counts(period) for period in body["metrics"]] == [(2, 1, 3), (0, 0, 0)]
    assert counts(body["summary"]) == (2, 1, 3)
    assert [(one["provider_id"], one["ingest_count"]) for one in body["providers"]] == [
        (None, 1),
        ("gemini", 1),
        ("local", 1),
    ]
    last = await admin.get(f"/api/stats/global?{span}&page_size=4&page=2")
    assert [period["period_start"][:10] for period in last["metrics"]] == ["2026-04-01", "2026-04-02"]
    assert (await admin.get(f"/api/stats/global?{span}&page=9"))["metrics"] == []
    only = await admin.get(f"/api/stats/global?{span}&provider_id=gemini&group_by=month")
    assert [counts(period) for period in only["metrics"]] == [(1, 0, 1), (0, 0, 0)]
    slow = await admin.get(f"/api/stats/global?{span}&sort_by=p95&sort_order=desc&group_by=week")
    assert [period["period_start"][:10] for period in slow["metrics"]] == ["2026-03-28", "2026-03-30"]


@pytest.mark.usefixtures("history")
async def test_all_slots_by_hour(admin: Administrator) -> None:
    day = "from=2026-03-29T00:00:00&to=2026-03-30T00:00:00&group_by=hour&tz=Europe/Berlin"
    body = await admin.get(f"/api/stats/global?{day}")
    assert body["range"]["group_by"] == "hour"
    assert [counts(period) for period in body["metrics"]] == [
        (1, 0, 1),
        *[(0, 0, 0)] * 10,
        (0, 1, 1),
        *[(0, 0, 0)] * 10,
        (1, 0, 1),
    ]
    autumn = "from=2026-10-24T00:00:00&to=2026-10-26T00:00:00&group_by=hour&tz=Europe/Berlin"
    assert len((await admin.get(f"/api/stats/global?{autumn}"))["metrics"]) == 49


@pytest.mark.usefixtures("history")
async def test_each_slot_has_a_row_for_each_period_with_jobs(
    service: Service, admin: Administrator, monkeypatch: pytest.MonkeyPatch
) -> None:
    slots = await service.opened.container.get(SlotRepository)
    await slots.reset_stats("slot-001", at=SPRING.replace(hour=8))
    day = "from=2026-03-28T00:00:00&to=2026-03-31T00:00:00&tz=Europe/Berlin"
    hours = "from=2026-03-29T00:00:00&to=2026-03-30T00:00:00&tz=Europe/Berlin&group_by=hour"

    def rows(body: dict[str, Any]) -> list[tuple[str, str, int, int, int]]:
        return [(one["slot_id"], one["period_start"][:16], *counts(one)) for one in body["items"]]

    body = await admin.get(f"/api/stats/slots?{day}")
    assert rows(body) == [
        ("slot-001", "2026-03-29T00:00", 2, 0, 2),
        ("slot-002", "2026-03-29T00:00", 0, 1, 1),
    ]
    assert (body["page"], body["pages"], body["range"]["group_by"]) == (1, 1, "day")
    by_hour = [
        ("slot-001", "2026-03-29T00:00", 1, 0, 1),
        ("slot-002", "2026-03-29T12:00", 0, 1, 1),
        ("slot-001", "2026-03-29T23:00", 1, 0, 1),
    ]
    assert rows(await admin.get(f"/api/stats/slots?{hours}")) == by_hour
    monkeypatch.setattr("photochanger.core.services.stats.service._MAX_ROWS", 10 * len(await slots.all()))
    pages = [await admin.get(f"/api/stats/slots?{hours}&page={page}") for page in (1, 2, 3, 4)]
    assert [rows(page) for page in pages] == [by_hour[:1], by_hour[1:2], by_hour[2:], []]
    assert {page["pages"] for page in pages} == {3}


async def test_fallbacks_are_counted_apart(service: Service, admin: Administrator) -> None:
    async def refuse(request: ProviderRequest) -> bytes:
        raise Rejected("IMAGE_SAFETY: the picture was not made.")

    assert (await admin.change_slot("slot-001", failure_answer="original")).status_code == 200
    service.provider.script = refuse
    assert (await service.ingest("slot-001")).status_code == 200
    for path in ("slot-001", "global"):
        summary = (await admin.get(f"/api/stats/{path}"))["summary"]
        assert (summary["fallback"], summary["provider_errors"], summary["ingest_count"]) == (1, 0, 1)
    (row,) = (await admin.get("/api/stats/slots"))["items"]
    assert (row["slot_id"], row["fallback"], row["success"]) == ("slot-001", 1, 0)


async def test_a_range_without_ends_reaches_up_to_now(admin: Administrator, service: Service) -> None:
    made = await service.ingest()
    assert made.status_code == 200
    body = await admin.get("/api/stats/slot-001?group_by=hour")
    assert body["summary"]["success"] == 1
    assert len(body["metrics"]) in (24, 25)
    assert (await admin.get("/api/stats/global"))["summary"]["success"] == 1


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("from=2026-03-01T00:00:00Z&to=2026-04-01T00:15:00Z", "from"),
        ("from=2026-03-02T00:00:00Z&to=2026-03-01T00:00:00Z", "to"),
        ("from=2026-03-02T00:00:00Z&to=2026-03-02T00:00:00Z", "to"),
        ("tz=Mars/Olympus", "tz"),
        ("tz=America", "tz"),
        ("tz=../../etc/passwd", "tz"),
        ("tz=", "tz"),
        ("group_by=month", "group_by"),
        ("group_by=year", "group_by"),
        ("from=yesterday", "from"),
        ("from=0001-01-01T00:00:00Z", "from"),
        ("to=9999-12-31T23:59:59Z", "to"),
        ("page=1", "page"),
    ],
)
async def test_a_question_about_a_slot_that_cannot_be_answered_names_its_parameter(
    admin: Administrator, query: str, field: str
) -> None:
    problem = described(await admin("GET", f"/api/stats/slot-001?{query}"), 400, "invalid_request")
    assert field in fields_of(problem)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("from=2026-01-01T00:00:00Z&to=2026-04-01T00:15:00Z", "from"),
        ("group_by=hour&from=2026-01-01T00:00:00Z&to=2026-01-03T00:15:00Z", "from"),
        ("group_by=year", "group_by"),
        ("page=0", "page"),
        ("page_size=201", "page_size"),
        ("sort_by=name", "sort_by"),
        ("sort_order=up", "sort_order"),
    ],
)
async def test_a_question_about_all_slots_that_cannot_be_answered_names_its_parameter(
    admin: Administrator, query: str, field: str
) -> None:
    problem = described(await admin("GET", f"/api/stats/global?{query}"), 400, "invalid_request")
    assert fields_of(problem) == [field] or field in fields_of(problem)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("from=2026-01-01T00:00:00Z&to=2026-04-01T00:15:00Z", "from"),
        ("group_by=hour&from=2026-01-01T00:00:00Z&to=2026-01-03T00:15:00Z", "from"),
        ("group_by=year", "group_by"),
        ("page=0", "page"),
        ("page_size=1", "page_size"),
    ],
)
async def test_a_question_about_each_slot_that_cannot_be_answered_names_its_parameter(
    admin: Administrator, query: str, field: str
) -> None:
    problem = described(await admin("GET", f"/api/stats/slots?{query}"), 400, "invalid_request")
    assert field in fields_of(problem)


async def test_the_longest_ranges_are_whole(admin: Administrator) -> None:
    month = "from=2026-10-01T00:00:00&to=2026-11-01T00:00:00&tz=Europe/Berlin"
    assert len((await admin.get(f"/api/stats/slot-001?{month}"))["metrics"]) == 31
    assert len((await admin.get(f"/api/stats/slot-001?{month}&group_by=hour"))["metrics"]) == 31 * 24 + 1
    quarter = "from=2026-01-01T00:00:00&to=2026-04-01T00:00:00&tz=Europe/Berlin"
    assert len((await admin.get(f"/api/stats/global?{quarter}"))["metrics"]) == 90


async def test_an_unknown_slot_is_not_found(admin: Administrator) -> None:
    described(await admin("GET", "/api/stats/slot-099"), 404, "slot_not_found")
    described(await admin("GET", "/api/stats/global?slot_id=slot-099"), 404, "slot_not_found")


async def test_statistics_need_their_permission(service: Service) -> None:
    others = Administrator(service, await token_of(service, *(set(Permission) - {Permission.STATS_READ})))
    reader = Administrator(service, await token_of(service, Permission.STATS_READ))
    for path in ("/api/stats/slot-001", "/api/stats/global"):
        described(await others("GET", path), 403, "permission_denied")
        assert (await reader("GET", path)).status_code == 200
