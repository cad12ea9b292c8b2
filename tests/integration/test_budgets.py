"""A budget on real processes: whatever dies in between, no more is paid for than it allows."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from photochanger.core.domain.slots.slot import Route, RouteEntry
from psycopg.types.json import Jsonb

from tests.support import photos, priced_provider
from tests.support.daytime import zone_at
from tests.support.priced_provider import OPERATION_ID, PRICE_MICROS, PROVIDER_ID
from tests.support.service import Service, eventually, rows, serving, set_slot, working

PHOTO = photos.jpeg(64, 48)
SLOT = "slot-005"
PICTURES = 8
"""What the budget holds."""


def set_settings(url: str, **stored: Any) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("update photochanger.app_settings set settings = settings || %s", (Jsonb(stored),))


def route(*, hold: bool = False) -> Route:
    """The priced provider, and this machine, which costs nothing."""
    return Route(
        entries=(RouteEntry(PROVIDER_ID, OPERATION_ID, {"hold": hold}), RouteEntry("local", "enhance")),
    )


def send_at_once(service: Service, number: int) -> list[httpx.Response]:
    """Cameras that all send at the same time, each a photo of its own."""
    sent = [photos.jpeg(64, 48 + at) for at in range(number)]
    with ThreadPoolExecutor(number) as cameras:
        return [*cameras.map(lambda photo: service.send(photo, SLOT), sent)]


def statuses(answers: Sequence[httpx.Response]) -> set[int]:
    return {answer.status_code for answer in answers}


def test_two_workers_pay_for_no_more_than_the_budget_through_a_restart(
    tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in priced_provider.install(tmp_path).items():
        monkeypatch.setenv(name, value)
    settings = {"database_url": postgres_url, "workers": "4"}
    with serving(tmp_path, **settings) as service:
        limits = {"budget_per_day_micros": PICTURES * PRICE_MICROS, "budget_at_limit": "free_only"}
        set_settings(postgres_url, **limits, time_zone=zone_at(12))
        set_slot(postgres_url, SLOT, route())
        assert statuses(send_at_once(service, 3)) == {200}
        set_slot(postgres_url, SLOT, route(hold=True))
        with service.client() as client:
            asked = client.post(
                f"/ingest/{SLOT}",
                data={"password": "a-test-password"},
                files={"fileToUpload": PHOTO},
                headers={"Prefer": "respond-async"},
            )
        held = asked.json()["job_id"]
        eventually(lambda: priced_provider.calls(tmp_path)[3:] == [held])
        service.kill()
    assert rows(postgres_url, "select charged from photochanger.call_costs where job_id = %s", held) == [("unknown",)]
    # The job that was held is abandoned: it must not be acquired again, which would be a further call.
    rows(postgres_url, "update photochanger.jobs set expires_at = now() where id = %s returning 1", held)
    with serving(tmp_path, **settings) as service, working(tmp_path, **settings):
        set_slot(postgres_url, SLOT, route())
        answers = send_at_once(service, 20)
        assert statuses(answers) == {200}
        assert len(priced_provider.calls(tmp_path)) == PICTURES
        made_by = [
            provider
            for (provider,) in rows(postgres_url, "select provider_id from photochanger.jobs where state = 'succeeded'")
        ]
        assert made_by.count(PROVIDER_ID) == PICTURES - 1
        assert made_by.count("local") == 3 + 20 - (PICTURES - 1)
        set_settings(postgres_url, budget_at_limit="refuse")

        def refused() -> bool:  # settings are at most a second old
            answer = service.send(PHOTO, SLOT)
            return answer.status_code == 429 and answer.json()["code"] == "budget_exhausted"

        eventually(refused)
        assert len(priced_provider.calls(tmp_path)) == PICTURES
        spent = rows(
            postgres_url, "select sum(usd_micros), count(*) from photochanger.call_costs where charged <> 'no'"
        )
        assert spent == [(PICTURES * PRICE_MICROS, PICTURES)]
