"""A statement is executed and its reply is lost: the service finds out, and the guest gets the picture."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from photochanger.adapters.postgres import EmbeddedServer
from photochanger.core.domain.slots.slot import Route, RouteEntry

from tests.support import photos
from tests.support.fault_relay import FaultRelay
from tests.support.postgres_server import fresh_database
from tests.support.service import Service, eventually, rows, serving, set_slot

SLOT = "slot-005"
ENQUEUE, ACQUIRE, FINALIZE = b"photochanger.enqueue(", b"attempt = attempt + 1", b"'counted_as' as counted_as"


class Booth(NamedTuple):
    service: Service
    relay: FaultRelay
    url: str
    media: Path


@pytest.fixture(scope="module")
def booth(postgres_server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Booth]:
    home = tmp_path_factory.mktemp("booth")
    with (
        fresh_database(postgres_server) as url,
        FaultRelay(url).running() as relay,
        serving(home, database_url=relay.url(), sync_response_seconds="60") as service,
    ):
        set_slot(url, SLOT, Route(entries=(RouteEntry("local", "stylize", {"look": "sketch"}),)))
        yield Booth(service, relay, url, home / "media")


def payloads(booth: Booth) -> list[Path]:
    return list((booth.media / "payloads").iterdir())


@pytest.mark.parametrize("statement", [ENQUEUE, ACQUIRE, FINALIZE])
def test_a_lost_reply_costs_no_picture_and_makes_no_second_job(booth: Booth, statement: bytes) -> None:
    before = booth.relay.replies_cut
    key = f"photo-{statement.hex()}"
    booth.relay.cut_replies(statement, times=1 if statement == ACQUIRE else 3)
    answer = booth.service.send(photos.jpeg(97, 64), SLOT, **{"Idempotency-Key": key})
    assert answer.status_code == 200, answer.text
    assert booth.relay.replies_cut > before
    booth.relay.restore()
    again = booth.service.send(photos.jpeg(97, 64), SLOT, **{"Idempotency-Key": key})
    assert (again.status_code, again.headers["x-job-id"]) == (200, answer.headers["x-job-id"])
    found = rows(booth.url, "select state from photochanger.jobs where idempotency_key = %s", key)
    assert found == [("succeeded",)]
    assert eventually(lambda: not payloads(booth))
