"""The WebhookRepository contract: one webhook for each slot, kept and forgotten together with its audit entry."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from photochanger.core.domain.accounts import COMMAND_LINE
from photochanger.core.domain.audit import AuditAction, AuditEntry, audit_entry
from photochanger.core.domain.errors import SlotNotFound
from photochanger.core.domain.slots.slot import shipped_slots

from tests.support.builders import new_job, outcome_succeeded, webhook

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
async def _slots(backend: SimpleNamespace) -> None:
    await backend.slots.add_missing(shipped_slots())


def entry(action: AuditAction = AuditAction.WEBHOOK_CHANGED) -> AuditEntry:
    return audit_entry(action, COMMAND_LINE, now=datetime.now(UTC), target="slot-001")


async def audit_entries(backend: SimpleNamespace) -> list[AuditEntry]:
    return [*(await backend.audit.find(limit=100)).items]


async def test_at_first_no_slot_has_one(backend: SimpleNamespace) -> None:
    assert await backend.webhooks.get("slot-001") is None


async def test_a_webhook_comes_back_as_it_was_saved_with_its_audit_entry(backend: SimpleNamespace) -> None:
    saved, told = webhook(url="https://studio.example/ended?key=ü", changed_by="Zoë"), entry()
    await backend.webhooks.save(saved, audit=told)
    assert await backend.webhooks.get("slot-001") == saved
    assert await backend.webhooks.get("slot-002") is None
    assert await audit_entries(backend) == [told]


async def test_the_last_one_saved_holds_and_what_was_to_be_told_stays(backend: SimpleNamespace) -> None:
    await backend.webhooks.save(webhook())
    job = await backend.queue.enqueue(new_job(), max_active=10)
    await backend.queue.mark_finalized(job.id, outcome_succeeded(job), claim=None)
    newer = webhook(url="http://other.example", changed_at=datetime.now(UTC) + timedelta(days=1))
    await backend.webhooks.save(newer)
    assert await backend.webhooks.get("slot-001") == newer
    assert [one.job_id for one in (await backend.outbox.find(limit=10)).items] == [job.id]


async def test_of_a_slot_that_there_is_not_nothing_is_kept(backend: SimpleNamespace) -> None:
    with pytest.raises(SlotNotFound):
        await backend.webhooks.save(webhook("slot-999"), audit=entry())
    assert await backend.webhooks.get("slot-999") is None
    assert await audit_entries(backend) == []


async def test_a_removed_webhook_is_gone_with_its_deliveries_and_the_others_stay(backend: SimpleNamespace) -> None:
    for slot_id in ("slot-001", "slot-002"):
        await backend.webhooks.save(webhook(slot_id))
        job = await backend.queue.enqueue(new_job(slot_id=slot_id), max_active=10)
        await backend.queue.mark_finalized(job.id, outcome_succeeded(job), claim=None)
    told = entry(AuditAction.WEBHOOK_REMOVED)
    assert await backend.webhooks.remove("slot-001", audit=told)
    assert await backend.webhooks.get("slot-001") is None
    assert await backend.webhooks.get("slot-002") is not None
    assert [one.slot_id for one in (await backend.outbox.find(limit=10)).items] == ["slot-002"]
    assert await audit_entries(backend) == [told]


async def test_removing_what_is_not_there_says_so_and_is_not_audited(backend: SimpleNamespace) -> None:
    assert not await backend.webhooks.remove("slot-001", audit=entry())
    await backend.webhooks.save(webhook())
    removed = await asyncio.gather(*(backend.webhooks.remove("slot-001", audit=entry()) for _ in range(4)))
    assert sorted(removed) == [False, False, False, True]
    assert len(await audit_entries(backend)) == 1


def test_a_webhook_does_not_show_its_secret_or_its_url() -> None:
    shown = repr(webhook(url="https://studio.example/hush", sealed_secret="v1.hush"))
    assert "hush" not in shown
    assert "slot-001" in shown
