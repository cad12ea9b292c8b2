"""The success rate is the same number wherever it is shown."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote_plus

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.administration import Administrator
from tests.support.daytime import zone_at
from tests.support.http_server import Service, serving
from tests.support.success_rate import OTHERS, PICTURES, RATE, photos_of_every_kind

pytestmark = pytest.mark.anyio

TOKEN = "a-token-for-prometheus-of-the-studio"


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    async with serving(tmp_path, metrics_token=TOKEN) as running:
        yield running


async def test_every_place_counts_the_same_photos(service: Service, admin: Administrator) -> None:
    await photos_of_every_kind(service, admin)

    zone = zone_at(12)
    evening = await admin.get(f"/api/overview?tz={quote_plus(zone)}")
    last = evening["last_minutes"]
    assert (last["pictures"], last["fallbacks"] + last["failed"]) == (PICTURES, OTHERS)
    card = next(one for one in evening["items"] if one["id"] == "slot-001")
    assert (sum(card["bars"]["pictures"]), sum(card["bars"]["missed"])) == (PICTURES, OTHERS)
    assert sum(card["failures"].values()) == OTHERS
    of_slot = await admin.get(f"/api/stats/slot-001?tz={quote_plus(zone)}")
    of_all = await admin.get(f"/api/stats/global?tz={quote_plus(zone)}")
    rows = await admin.get(f"/api/stats/slots?group_by=month&tz={quote_plus(zone)}")
    rates = {
        "strip": last["success_rate"],
        "card": card["today"]["success_rate"],
        "slot": of_slot["summary"]["success_rate"],
        "period of a slot": of_slot["metrics"][-1]["success_rate"],
        "all": of_all["summary"]["success_rate"],
        "period of all": of_all["metrics"][-1]["success_rate"],
        "sum of a slot": of_all["slots"][0]["success_rate"],
        "row of a file": rows["items"][-1]["success_rate"],
        "metrics": await rate_of_metrics(service),
    }
    assert rates == dict.fromkeys(rates, RATE)
    empty = await admin.get("/api/stats/slot-002")
    assert empty["summary"]["success_rate"] is None


async def rate_of_metrics(service: Service) -> float:
    """The rate as docs/metrics.md computes it, of all time."""
    answer = await service.client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    counts = {"success": 0.0, "all": 0.0}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            labels = sample.labels
            if sample.name != "photochanger_jobs_ended_total" or labels["source"] == "test":
                continue
            counts["success"] += sample.value if labels["outcome"] == "success" else 0
            counts["all"] += sample.value if labels["outcome"] != "cancelled" else 0
    return counts["success"] / counts["all"]
