"""Costs and budgets over HTTP: jobs, statistics, overview, settings and slots, and what cameras are answered."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote_plus

import pytest
from photochanger.core.domain.accounts import Permission
from photochanger.core.domain.costs.call_cost import CallCost, Charged
from photochanger.core.domain.slots.slot import FailureAnswer, RouteEntry
from photochanger.core.ports.provider import Rejected, Retryable

from tests.support.administration import Administrator, described, fields_of, token_of
from tests.support.daytime import zone_at
from tests.support.http_server import PICTURE, Service

pytestmark = pytest.mark.anyio

PRICE = CallCost(usd_micros=30_000, charged=Charged.UNKNOWN)
EXACT = CallCost(usd_micros=41_500, exact=True)


async def set_settings(admin: Administrator, **changes: Any) -> None:
    assert (await admin("PUT", "/api/settings", json_body=changes)).status_code == 200


async def test_a_job_names_its_cost_its_calls_its_model_and_its_seed(service: Service, admin: Administrator) -> None:
    async def at_the_second(request: Any) -> bytes:
        service.provider.script = only_picture
        raise Retryable("not yet", cost=PRICE)

    async def only_picture(request: Any) -> bytes:
        return PICTURE

    service.provider.price, service.provider.cost = PRICE, EXACT
    service.provider.model, service.provider.seed = "scripted-2026-11", 2**53 + 1
    service.provider.script = at_the_second
    await set_settings(admin, currency="EUR", usd_rate=0.92)
    job_id = (await service.ingest()).headers["x-job-id"]
    job = await admin.get(f"/api/jobs/{job_id}")
    cost = {
        "usd_micros": 71_500,
        "estimated_usd_micros": 30_000,
        "unknown_usd_micros": 30_000,
        "calls": 2,
        "unpriced_calls": 0,
    }
    assert (job["cost"], job["model"], job["seed"]) == (cost, "scripted-2026-11", "9007199254740993")
    assert job["currency"] == {"code": "EUR", "usd_rate": 0.92}
    first, second = job["calls"]
    assert {name: first[name] for name in ("usd_micros", "exact", "charged", "model", "call")} == {
        "usd_micros": 30_000,
        "exact": False,
        "charged": "unknown",
        "model": None,
        "call": 1,
    }
    assert (second["usd_micros"], second["exact"], second["charged"]) == (41_500, True, "yes")
    assert (second["provider_id"], second["entry"], second["model"]) == ("scripted", 0, "scripted-2026-11")
    assert (await admin.get("/api/jobs"))["items"][0]["cost"] == cost
    guest = await service.client.get(f"/api/jobs/{job_id}?token={(await service.job(job_id)).access_token}")
    assert "cost" not in guest.json()


async def test_an_erased_guest_leaves_the_amounts(service: Service, admin: Administrator) -> None:
    service.provider.price = PRICE
    job_id = (await service.ingest()).headers["x-job-id"]
    before = await admin.get(f"/api/jobs/{job_id}")
    assert (await admin("DELETE", f"/api/jobs/{job_id}")).status_code == 204
    after = await admin.get(f"/api/jobs/{job_id}")
    assert after["calls"] == before["calls"] != []
    assert (after["erased_at"] is not None, after["cost"]) == (True, before["cost"])


async def test_statistics_and_overview_have_the_sums_of_the_ledger(service: Service, admin: Administrator) -> None:
    zone = zone_at(12)
    await set_settings(admin, time_zone=zone)
    service.provider.price, service.provider.cost = PRICE, EXACT
    for slot_id in ("slot-001", "slot-001", "slot-002"):
        assert (await service.ingest(slot_id)).status_code == 200
    everything = await admin.get(f"/api/stats/global?group_by=day&tz={quote_plus(zone)}")
    assert everything["summary"]["cost"]["usd_micros"] == 124_500
    assert everything["currency"] == {"code": "USD", "usd_rate": 1}
    assert [(one["slot_id"], one["cost"]["usd_micros"]) for one in everything["slots"]] == [
        ("slot-001", 83_000),
        ("slot-002", 41_500),
    ]
    assert [one["cost"]["usd_micros"] for one in everything["providers"]] == [124_500]
    assert everything["metrics"][-1]["cost"] == everything["summary"]["cost"]
    of_slot = await admin.get("/api/stats/slot-001?group_by=hour")
    assert sum(period["cost"]["usd_micros"] for period in of_slot["metrics"]) == 83_000
    overview = await admin.get(f"/api/overview?tz={quote_plus(zone)}")
    assert overview["costs"]["cost"]["usd_micros"] == 124_500
    assert [card["today"]["cost"]["calls"] for card in overview["items"][:3]] == [2, 1, 0]
    await admin("POST", "/api/slots/slot-001/reset_stats")
    assert (await admin.get("/api/stats/slot-001"))["summary"]["cost"]["usd_micros"] == 0
    assert (await admin.get("/api/stats/global"))["summary"]["cost"]["usd_micros"] == 124_500
    overview = await admin.get(f"/api/overview?tz={quote_plus(zone)}")
    assert (overview["items"][0]["today"]["cost"]["calls"], overview["costs"]["cost"]["calls"]) == (0, 3)


async def test_costs_of_a_provider_that_ended_no_job_have_a_row(service: Service, admin: Administrator) -> None:
    async def refuse(request: Any) -> bytes:
        raise Rejected("no", cost=EXACT)

    service.provider.price, service.provider.script = PRICE, refuse
    await service.change_slot("slot-001", entries=(RouteEntry("scripted", "any"), RouteEntry("local", "enhance")))
    assert (await service.ingest()).status_code == 200
    providers = (await admin.get("/api/stats/slot-001"))["providers"]
    assert [(one["provider_id"], one["ingest_count"], one["cost"]["usd_micros"]) for one in providers] == [
        ("local", 1, 0),
        ("scripted", 0, 41_500),
    ]


async def test_a_camera_is_refused_once_the_budget_is_used_up(service: Service, admin: Administrator) -> None:
    service.provider.price = PRICE
    assert (await admin.change_slot(budget={"per_day": 0.02})).status_code == 200
    answer = await service.ingest()
    problem = described(answer, 429, "budget_exhausted")
    assert problem["retry_after"] == int(answer.headers["retry-after"]) > 0
    assert service.provider.calls == 0
    assert (await service.ingest("slot-002")).status_code == 200
    budgets = (await admin.get("/api/overview"))["costs"]["budgets"]
    assert budgets == [{"slot_id": "slot-001", "limit_usd_micros": 20_000, "spent_usd_micros": 0, "percent": 0}]


async def test_without_a_free_entry_the_answer_is_that_of_a_used_up_budget(
    service: Service, admin: Administrator
) -> None:
    service.provider.price = PRICE
    await set_settings(admin, budget_per_day=0.02, budget_at_limit="free_only")
    answer = await service.ingest()
    described(answer, 429, "budget_exhausted")
    assert answer.headers["retry-after"] == "60"
    await service.change_slot("slot-001", entries=(RouteEntry("scripted", "any"), RouteEntry("local", "enhance")))
    assert (await service.ingest()).status_code == 200
    await service.change_slot("slot-002", failure_answer=FailureAnswer.ORIGINAL)
    assert (await service.ingest("slot-002")).headers["x-photochanger-outcome"] == "fallback"
    assert service.provider.calls == 0


async def test_money_settings_are_kept_as_they_are_given(service: Service, admin: Administrator) -> None:
    money = {
        "currency": "RUB",
        "usd_rate": 79.1234,
        "budget_per_day": 1500.5,
        "budget_at_limit": "free_only",
        "time_zone": "Europe/Moscow",
    }
    await set_settings(admin, **money)
    settings = await admin.get("/api/settings")
    assert {name: settings[name] for name in money} == money
    assert {*settings["stored"]} == {*money}
    await set_settings(admin, **dict.fromkeys(money))
    settings = await admin.get("/api/settings")
    assert (settings["currency"], settings["usd_rate"], settings["budget_per_day"]) == ("USD", 1, None)
    assert (settings["budget_at_limit"], settings["time_zone"], settings["stored"]) == ("refuse", "UTC", [])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("currency", "usd"),
        ("currency", "US$"),
        ("usd_rate", 0),
        ("usd_rate", 1_000_001),
        ("budget_per_day", -0.01),
        ("budget_per_day", 1_000_000_001),
        ("budget_at_limit", "stop"),
        ("time_zone", "Mars/Olympus"),
        ("time_zone", "../etc/passwd"),
        ("time_zone", "x" * 100_000),
    ],
)
async def test_a_money_setting_that_does_not_fit_is_named(admin: Administrator, name: str, value: Any) -> None:
    answer = await admin("PUT", "/api/settings", json_body={name: value})
    assert [*fields_of(described(answer, 422, "invalid_settings"))] == [name]


@pytest.mark.parametrize(
    ("budget", "field"),
    [
        ({}, "budget.per_day"),
        ({"per_day": -1}, "budget.per_day"),
        ({"per_day": "much"}, "budget.per_day"),
        ({"per_day": 1, "per_week": 7}, "budget.per_week"),
        ([], "budget"),
        (5, "budget"),
    ],
)
async def test_a_budget_that_does_not_fit_is_named(admin: Administrator, budget: Any, field: str) -> None:
    answer = await admin.change_slot(budget=budget)
    assert [*fields_of(described(answer, 422, "invalid_settings"))] == [field]


async def test_the_budget_of_a_slot_is_kept_and_audited(admin: Administrator) -> None:
    assert (await admin.change_slot(budget={"per_day": 12.5})).status_code == 200
    assert (await admin.get("/api/slots/slot-001"))["budget"] == {"per_day": 12.5}
    assert (await admin.audit("slot_changed"))[0]["detail"]["changed"]["budget"] == [None, {"per_day": 12.5}]
    assert (await admin.change_slot(budget=None)).status_code == 200
    assert (await admin.get("/api/slots/slot-001"))["budget"] is None


async def test_statistics_need_no_right_to_see_the_settings(service: Service) -> None:
    reader = Administrator(service, await token_of(service, Permission.STATS_READ))
    assert (await reader.get("/api/stats/global"))["currency"]["code"] == "USD"
