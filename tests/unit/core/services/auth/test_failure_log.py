"""Wrong passwords in the audit log: the first of each address at once, the others as a sum, and never without bound."""

from __future__ import annotations

from typing import Any

import pytest
from photochanger.adapters.memory import FakeClock, MemoryAuditLog
from photochanger.core.domain.accounts import Actor
from photochanger.core.domain.audit import AuditAction
from photochanger.core.domain.errors import QueueUnavailable
from photochanger.core.services.auth.failure_log import MAX_ENTRIES, PERIOD, FailureLog

from tests.support.world import FaultInjector

pytestmark = pytest.mark.anyio

LOGIN, INGEST = AuditAction.LOGIN_FAILED, AuditAction.INGEST_PASSWORD_FAILED


class Recorded:
    """A failure log and what it wrote."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.audit: Any = FaultInjector(MemoryAuditLog())
        self.log = FailureLog(self.audit, self.clock)

    async def fail(
        self, address: str, *, times: int = 1, action: AuditAction = LOGIN, target: str | None = None
    ) -> None:
        for _ in range(times):
            await self.log.record(action, Actor("unknown", address), target)

    def take(self) -> list[tuple[str, str | None, str | None, int | None]]:
        """What was written since the last call: action, address, target, attempts of a sum."""
        taken = [(one.action.value, one.address, one.target, one.detail.get("attempts")) for one in self.audit.entries]
        self.audit.entries.clear()
        return taken


async def test_the_first_failure_of_an_address_is_written_at_once_and_the_others_as_a_sum() -> None:
    recorded = Recorded()
    await recorded.fail("192.0.2.1", times=5)
    assert recorded.take() == [(LOGIN, "192.0.2.1", None, None)]
    await recorded.clock.advance(PERIOD)
    assert recorded.take() == [(LOGIN, None, None, 4)]
    await recorded.fail("192.0.2.1")
    assert recorded.take() == [(LOGIN, "192.0.2.1", None, None)]
    await recorded.clock.advance(2 * PERIOD)
    assert recorded.take() == []


async def test_actions_and_accounts_are_written_apart() -> None:
    recorded = Recorded()
    await recorded.fail("192.0.2.1", target="ada")
    await recorded.fail("192.0.2.1", target="grace")
    await recorded.fail("192.0.2.1", action=INGEST, times=3)
    await recorded.fail("192.0.2.1", target="ada", times=2)
    await recorded.clock.advance(PERIOD)
    assert recorded.take() == [
        (LOGIN, "192.0.2.1", "ada", None),
        (LOGIN, "192.0.2.1", "grace", None),
        (INGEST, "192.0.2.1", None, None),
        (INGEST, None, None, 2),
        (LOGIN, None, None, 2),
    ]


async def test_networks_of_one_ipv6_site_are_one_address() -> None:
    recorded = Recorded()
    for number in range(5):
        await recorded.fail(f"2001:db8:0:{number}::1")
    assert recorded.take() == [(LOGIN, "2001:db8:0:0::1", None, None)]


async def test_a_flood_from_many_addresses_writes_a_bounded_number_of_entries() -> None:
    recorded = Recorded()
    for _ in range(3):
        for number in range(1000):
            await recorded.fail(f"10.0.{number // 250}.{number % 250}")
        await recorded.clock.advance(PERIOD)
        entries = recorded.take()
        assert len(entries) == MAX_ENTRIES + 1
        assert entries[-1] == (LOGIN, None, None, 1000 - MAX_ENTRIES)


async def test_a_flood_at_the_cameras_hides_no_login() -> None:
    recorded = Recorded()
    for number in range(100):
        await recorded.fail(f"10.0.0.{number}", action=INGEST)
    recorded.take()
    await recorded.fail("192.0.2.1", target="ada")
    assert recorded.take() == [(LOGIN, "192.0.2.1", "ada", None)]


async def test_the_sum_is_written_at_the_end_of_the_process() -> None:
    recorded = Recorded()
    await recorded.fail("192.0.2.1", times=3)
    await recorded.log.close()
    assert recorded.take() == [(LOGIN, "192.0.2.1", None, None), (LOGIN, None, None, 2)]


async def test_an_outage_is_raised_and_a_lost_sum_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    recorded = Recorded()
    await recorded.fail("192.0.2.1", times=3)
    recorded.audit.faults["append"] = QueueUnavailable("away")
    with pytest.raises(QueueUnavailable):
        await recorded.fail("192.0.2.2")
    await recorded.clock.advance(PERIOD)
    assert "2 further failed passwords are not in the audit log: away" in caplog.text
