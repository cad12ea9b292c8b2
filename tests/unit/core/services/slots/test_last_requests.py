"""The last request of a slot: written behind the answers, seldom, and gone in time; what is shown of it, and said."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from photochanger.core.domain.errors import QueueUnavailable, SlotNotFound
from photochanger.core.domain.ingest_request import (
    MAX_FIELDS,
    MAX_VALUE_CHARS,
    PasswordCheck,
    ReceivedField,
    ReceivedFile,
    bounded,
    findings,
    shown_fields,
    shown_headers,
)

from tests.support.builders import ingest_request
from tests.support.world import SECOND, World

pytestmark = pytest.mark.anyio

HOUR = timedelta(hours=1)


def writes(world: World) -> int:
    return int(world.ingest_requests.calls.count("put"))


async def made_world() -> World:
    world = World()
    await world.slot()
    return world


def noted(world: World, **fields: Any) -> Any:
    request = ingest_request(received_at=world.clock.now(), **fields)
    world.last_requests.note(request)
    return request


async def test_a_burst_is_written_once_and_then_its_last() -> None:
    world = await made_world()
    noted(world, address="first")
    await world.clock.advance(timedelta(0))
    for number in range(20):
        noted(world, address=f"guest {number}")
    await world.clock.advance(timedelta(milliseconds=900))
    assert writes(world) == 1
    await world.clock.advance(SECOND)
    assert writes(world) == 2
    last = await world.last_requests.get("slot-001")
    assert last is not None
    assert last.address == "guest 19"
    await world.clock.advance(5 * SECOND)
    assert writes(world) == 2
    noted(world, address="later")
    await world.clock.advance(timedelta(0))
    assert writes(world) == 3


async def test_slots_do_not_wait_for_each_other_and_strangers_are_not_kept() -> None:
    world = await made_world()
    await world.slot(id="slot-1000")
    for slot_id in ("slot-001", "slot-1000", "slot-099", "../etc"):
        noted(world, slot_id=slot_id)
    await world.clock.advance(5 * SECOND)
    assert writes(world) == 2
    assert await world.ingest_requests.last("slot-099") is None


async def test_the_end_of_the_process_writes_what_waits() -> None:
    world = await made_world()
    noted(world)
    await world.clock.advance(timedelta(0))
    last = noted(world, address="the last")
    await world.last_requests.close()
    assert await world.last_requests.get("slot-001") == last


async def test_a_writing_that_the_end_of_the_process_stops_is_done_again() -> None:
    world = await made_world()
    request = noted(world)
    await asyncio.sleep(0)
    assert writes(world) == 1  # under way, not done
    await world.last_requests.close()
    assert await world.last_requests.get("slot-001") == request


async def test_a_database_that_is_away_costs_that_request_alone(caplog: pytest.LogCaptureFixture) -> None:
    world = await made_world()
    world.ingest_requests.faults["put"] = QueueUnavailable("away")
    noted(world, address="203.0.113.77")
    await world.clock.advance(5 * SECOND)
    assert not caplog.records
    world.ingest_requests.faults.clear()
    request = noted(world)
    await world.clock.advance(timedelta(0))
    assert await world.last_requests.get("slot-001") == request


async def test_the_clock_ends_it_before_the_sweeper_does() -> None:
    world = await made_world()
    noted(world)
    await world.clock.advance(24 * HOUR)
    assert await world.last_requests.get("slot-001") is not None
    await world.clock.advance(SECOND)
    assert await world.last_requests.get("slot-001") is None
    assert (await world.sweeper.sweep_expired())["last_requests"] == 1


async def test_it_is_not_kept_longer_than_results() -> None:
    world = await made_world()
    await world.set_settings(result_retention=2 * HOUR)
    noted(world)
    await world.clock.advance(2 * HOUR + SECOND)
    assert await world.last_requests.get("slot-001") is None


async def test_a_slot_without_requests_has_none_and_an_unknown_slot_is_an_error() -> None:
    world = await made_world()
    assert await world.last_requests.get("slot-001") is None
    with pytest.raises(SlotNotFound):
        await world.last_requests.get("slot-099")


def test_headers_that_may_hold_secrets_are_not_shown() -> None:
    given = [
        ("User-Agent", "Booth " + "x" * 500),
        ("Authorization", "Basic abc"),
        ("Cookie", "a=b"),
        ("X-Api-Key", "k"),
    ]
    (shown,) = shown_headers(given)
    assert shown.name == "user-agent"
    assert shown.value is not None
    assert len(shown.value) == MAX_VALUE_CHARS


def test_fields_are_bounded_and_the_password_hides_under_any_name() -> None:
    given = [("guest", "Ada\n\0"), ("Passwort", "geheim"), ("pin", "open sesame"), ("long", "ä" * 999)]
    shown = shown_fields(given + [(f"f{n}", "") for n in range(50)], is_password="open sesame".__eq__)
    assert shown[:3] == (
        ReceivedField("guest", "Ada\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}"),
        ReceivedField("Passwort", None),
        ReceivedField("pin", None),
    )
    assert shown[3].value == "ä" * (MAX_VALUE_CHARS - 1) + "…"
    assert len(shown) == MAX_FIELDS
    assert bounded("\ud800") == "\N{REPLACEMENT CHARACTER}"


@pytest.mark.parametrize(
    ("fields", "codes"),
    [
        ({}, []),
        ({"method": "GET", "code": "method_not_allowed"}, ["method_not_allowed"]),
        ({"content_type": "image/jpeg", "code": "invalid_multipart"}, ["not_a_form"]),
        ({"content_type": None, "code": "invalid_multipart"}, ["not_a_form"]),
        ({"code": "invalid_multipart", "detail": "No boundary."}, ["invalid_multipart"]),
        ({"code": "missing_field", "file": "photo", "password": PasswordCheck.RIGHT}, ["file_field_wrong"]),
        ({"code": "invalid_password", "password": PasswordCheck.WRONG}, ["password_wrong"]),
        ({"code": "missing_field", "complete": True, "password": PasswordCheck.RIGHT}, ["file_missing"]),
        (
            {"code": "missing_field", "complete": True, "password": PasswordCheck.MISSING, "file": "file"},
            ["password_missing"],
        ),
        (
            {
                "code": "missing_field",
                "complete": True,
                "password": PasswordCheck.MISSING,
                "fields": (ReceivedField("Password", None),),
            },
            ["file_missing", "password_field_wrong"],
        ),
        ({"code": "client_gone", "status": None}, ["client_gone"]),
        ({"code": "slot_disabled"}, ["slot_disabled"]),
        ({"code": "sync_timeout", "complete": True, "file": "file", "password": PasswordCheck.RIGHT}, ["sync_timeout"]),
    ],
)
def test_what_stood_in_the_way_is_named(fields: dict[str, Any], codes: list[str]) -> None:
    if "file" in fields:
        file = ReceivedFile(field=fields["file"], filename="a.jpg", content_type=None, size_bytes=9, sniffed_type=None)
        fields = fields | {"file": file}
    assert [finding.code for finding in findings(ingest_request(**fields))] == codes
