"""What `doctor` says of workers, disk, clock, signing keys, administrators and webhooks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from photochanger.adapters.memory import MemoryMediaStore
from photochanger.adapters.security import AesSecretBox
from photochanger.adapters.system_clock import SystemClock
from photochanger.core.domain.accounts import Admin
from photochanger.core.domain.worker import SILENT_AFTER, WorkerReport, WorkerStatus
from photochanger.core.ports.database import DatabaseServer, ServerRole
from photochanger.core.ports.secrets import SigningKey
from photochanger.core.services.media.disk_space import DiskSpace
from photochanger.core.services.support.database_clock import ClockOffset
from photochanger.entrypoints.diagnostics import service_checks as service_findings

from tests.support.builders import webhook
from tests.support.world import World

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
GIB = 1024**3


def seen(name: str, *, age: timedelta = SECOND, ahead: float | None = None) -> WorkerStatus:
    report = WorkerReport(
        name=name, host="booth", pid=7, concurrency=4, running=0, version="1", clock_ahead_seconds=ahead
    )
    return WorkerStatus(report=report, started_at=NOW, seen_at=NOW, age=age)


def test_servers_of_a_database_are_well_when_one_is_the_primary_and_the_others_follow() -> None:
    primary, standby = DatabaseServer("db1:5432", ServerRole.PRIMARY), DatabaseServer("db2:5432", ServerRole.STANDBY)
    well = service_findings.database_servers([primary, standby])
    assert (well.says, well.fix) == ("db1:5432 primary, db2:5432 standby", None)
    replaced = service_findings.database_servers([DatabaseServer("db1:5432", ServerRole.REPLACED), primary])
    assert replaced.fix is not None
    assert "make it a standby" in replaced.fix
    away = service_findings.database_servers(
        [primary, DatabaseServer("db2:5432", ServerRole.AWAY, "Connection refused")]
    )
    assert away.says == "db1:5432 primary, db2:5432 away (Connection refused)"
    assert away.fix is not None


def test_workers_that_tell_are_counted_and_silent_ones_named() -> None:
    assert service_findings.workers([]).fix is None
    working = service_findings.workers([seen("one"), seen("two")])
    assert (working.says, working.fix) == ("2 working", None)
    lost = service_findings.workers([seen("one"), seen("two", age=SILENT_AFTER)])
    assert lost.says.startswith("1 working")
    assert "two" in lost.says
    assert lost.fix is not None


def test_clocks_of_workers_that_are_wrong_are_named() -> None:
    right = service_findings.workers([seen("one", ahead=1.9), seen("two", ahead=-1.9), seen("old")])
    assert (right.says, right.fix) == ("3 working", None)
    wrong = service_findings.workers([seen("one", ahead=30), seen("two", ahead=-2.1), seen("three", ahead=0)])
    assert wrong.says.startswith("3 working, clocks that differ from the database's: one +30.0 s, two -2.1 s;")
    assert wrong.fix is not None
    lost = service_findings.workers([seen("one", ahead=30, age=SILENT_AFTER)])
    assert "heartbeats missed: one" in lost.says


def test_the_limit_on_files_and_what_follows_from_it_are_shown() -> None:
    enough = service_findings.open_files(1024)
    assert enough.says.startswith("1024 can be open: 448 connections, 112 of them")
    assert enough.fix is None
    few = service_findings.open_files(256)
    assert few.says.startswith("256 can be open: 64 connections")
    assert few.fix is not None


@pytest.mark.parametrize(
    ("free", "says", "needs_fix"),
    [
        (None, "unknown", False),
        (100 * GIB, "100.0 GiB free", False),
        (GIB, "1.0 GiB", True),
        (1, "0.0 GiB", True),
    ],
)
async def test_the_disk_is_held_against_the_floor(free: int | None, says: str, needs_fix: bool) -> None:
    clock = SystemClock()
    space = DiskSpace(MemoryMediaStore(room_bytes=free), clock, floor_bytes=GIB // 4)
    finding = await service_findings.disk(space)
    assert says in finding.says
    assert (finding.fix is not None) is needs_fix


@pytest.mark.parametrize("ahead", [timedelta(0), 2 * SECOND, -2 * SECOND])
def test_a_clock_within_two_seconds_is_right(ahead: timedelta) -> None:
    assert service_findings.clock(ClockOffset(ahead, timedelta(0))).fix is None


@pytest.mark.parametrize(
    ("ahead", "says"), [(2.2 * SECOND, "2.2 s ahead of the database's"), (-90 * SECOND, "90.0 s behind the database's")]
)
def test_a_clock_that_is_more_than_two_seconds_off_needs_a_fix(ahead: timedelta, says: str) -> None:
    finding = service_findings.clock(ClockOffset(ahead, timedelta(0)))
    assert says in finding.says
    assert finding.fix is not None


def test_what_the_measurement_does_not_know_is_no_difference() -> None:
    assert service_findings.clock(ClockOffset(4 * SECOND, error=3 * SECOND)).fix is None


async def test_signing_keys_that_another_secret_sealed_are_named() -> None:
    ours, other = AesSecretBox(lambda: "a" * 40), AesSecretBox(lambda: "b" * 40)
    made = SigningKey(id="k1", sealed=ours.seal("00", purpose="signing key k1"), created_at=NOW)
    assert (await service_findings.signing_keys([], ours)).fix is None
    assert (await service_findings.signing_keys([made], ours)).fix is None
    broken = await service_findings.signing_keys([made], other)
    assert "k1" in broken.says
    assert broken.fix is not None


def test_somebody_must_be_able_to_log_in() -> None:
    def admin(**fields: Any) -> Admin:
        told = {"username": "ada", "password_hash": "h", "permissions": frozenset(), "created_at": NOW}
        return Admin(**told | {"tokens_from": NOW} | fields)

    assert service_findings.administrators([]).fix is not None
    assert service_findings.administrators([admin(disabled_at=NOW)]).fix is not None
    assert service_findings.administrators([admin(), admin(disabled_at=NOW)]).says == "1 of 2 can log in"


async def test_dead_deliveries_are_told_with_their_slots() -> None:
    world = World()
    await world.slot()
    await world.webhooks.save(webhook())
    assert (await service_findings.webhooks(world.outbox)).fix is None
    await world.submit()
    await world.work()
    (delivery,) = await world.outbox.acquire(n=1, lease=SECOND)
    await world.outbox.failed(delivery, error="410 Gone", status=410, again_in=None)
    finding = await service_findings.webhooks(world.outbox)
    assert finding.says == "1 deliveries of slot-001 failed for good; last error: 410 Gone"
    assert finding.fix is not None
