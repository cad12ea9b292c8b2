"""Webhooks as administrators set them: secrets shown once, kept sealed, and every change audited without them."""

from __future__ import annotations

import base64
from datetime import timedelta
from uuid import uuid4

import pytest
from photochanger.core.domain.accounts import Actor
from photochanger.core.domain.audit import AuditAction
from photochanger.core.domain.errors import InvalidSettings, SlotNotFound, WebhookNotFound
from photochanger.core.domain.field_errors import FieldError, FieldErrorCode
from photochanger.core.domain.slots.slot import shipped_slots
from photochanger.core.domain.webhook import DeliveryState, secret_purpose
from photochanger.core.ports.secrets import SealBroken

from tests.support.hooks import ADA, SECRET, URL, Hooks

pytestmark = pytest.mark.anyio

BEA = Actor("bea")


async def hooks() -> Hooks:
    made = Hooks()
    await made.slots.add_missing(shipped_slots())
    return made


async def test_a_new_webhook_has_a_secret_of_256_bits_that_is_kept_sealed() -> None:
    world = await hooks()
    webhook, secret = await world.service.put("slot-001", URL, by=ADA)
    assert secret is not None
    assert secret.startswith("whsec_")
    assert len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) == 32
    assert (webhook.url, webhook.changed_by, webhook.changed_at) == (URL, "ada", world.clock.now())
    assert len(bytes.fromhex(webhook.key_id)) == 4
    assert await world.service.get("slot-001") == webhook
    assert secret not in webhook.sealed_secret
    assert world.box.inner.open(webhook.sealed_secret, purpose=secret_purpose("slot-001")) == secret
    with pytest.raises(SealBroken):
        world.box.inner.open(webhook.sealed_secret, purpose=secret_purpose("slot-002"))


async def test_another_url_keeps_the_secret_and_shows_it_no_more() -> None:
    world = await hooks()
    first, _ = await world.service.put("slot-001", URL, by=ADA)
    await world.pass_time(timedelta(minutes=1))
    second, secret = await world.service.put("slot-001", "https://other.example/", by=BEA)
    assert secret is None
    assert (second.key_id, second.sealed_secret) == (first.key_id, first.sealed_secret)
    assert (second.url, second.changed_by) == ("https://other.example/", "bea")
    assert second.changed_at - first.changed_at == timedelta(minutes=1)


async def test_rotation_makes_another_secret_under_another_key_id() -> None:
    world = await hooks()
    first, secret = await world.service.put("slot-001", URL, by=ADA)
    second, rotated = await world.service.rotate_secret("slot-001", by=BEA)
    assert rotated not in (secret, None)
    assert second.key_id != first.key_id
    assert (second.url, second.changed_by) == (URL, "bea")
    assert world.box.inner.open(second.sealed_secret, purpose=secret_purpose("slot-001")) == rotated


async def test_removing_a_webhook_drops_its_deliveries() -> None:
    world = await hooks()
    await world.service.put("slot-001", URL, by=ADA)
    await world.end_job()
    await world.service.remove("slot-001", by=ADA)
    with pytest.raises(WebhookNotFound):
        await world.service.get("slot-001")
    assert (await world.service.deliveries()).items == ()
    with pytest.raises(WebhookNotFound):
        await world.service.remove("slot-001", by=ADA)


async def test_each_call_says_whether_the_slot_or_its_webhook_is_missing() -> None:
    world = await hooks()
    for slot_id, error in (("slot-999", SlotNotFound), ("slot-001", WebhookNotFound)):
        with pytest.raises(error):
            await world.service.get(slot_id)
        with pytest.raises(error):
            await world.service.rotate_secret(slot_id, by=ADA)
        with pytest.raises(error):
            await world.service.remove(slot_id, by=ADA)
    with pytest.raises(SlotNotFound):
        await world.service.put("slot-999", URL, by=ADA)
    assert world.audit.entries == []


async def test_a_url_that_cannot_be_used_changes_nothing() -> None:
    world = await hooks()
    world.receiver.refusal = InvalidSettings([FieldError("url", FieldErrorCode.URL_FORMAT)])
    with pytest.raises(InvalidSettings):
        await world.service.put("slot-001", "ftp://studio.example", by=ADA)
    with pytest.raises(WebhookNotFound):
        await world.service.get("slot-001")
    assert world.audit.entries == []


async def test_every_change_is_audited_without_secrets_and_without_the_whole_url() -> None:
    world = await hooks()
    put, secret = await world.service.put("slot-001", URL, by=ADA)
    rotated, other_secret = await world.service.rotate_secret("slot-001", by=ADA)
    await world.service.remove("slot-001", by=BEA)
    told = [(one.action, one.actor, one.address, one.target, one.detail) for one in world.audit.entries]
    assert told == [
        (AuditAction.WEBHOOK_CHANGED, "ada", ADA.address, "slot-001", _detail(put.key_id)),
        (AuditAction.WEBHOOK_CHANGED, "ada", ADA.address, "slot-001", _detail(rotated.key_id)),
        (AuditAction.WEBHOOK_REMOVED, "bea", None, "slot-001", _detail(rotated.key_id)),
    ]
    written = repr(world.audit.entries) + repr(put) + repr(rotated)
    for hidden in (secret, other_secret, SECRET, "hush", put.sealed_secret):
        assert hidden is not None
        assert hidden not in written


async def test_deliveries_are_listed_and_tried_again() -> None:
    world = await hooks()
    await world.service.put("slot-001", URL, by=ADA)
    await world.end_job()
    (taken,) = await world.outbox.acquire(n=1, lease=timedelta(minutes=1))
    await world.outbox.failed(taken, error="Gone.", status=410, again_in=None)
    (dead,) = (await world.service.deliveries(states=[DeliveryState.DEAD], slot_id="slot-001")).items
    again = await world.service.redeliver(dead.id)
    assert (again.state, again.attempts) == (DeliveryState.PENDING, 0)
    assert (await world.service.deliveries(states=[DeliveryState.DEAD])).items == ()
    with pytest.raises(WebhookNotFound):
        await world.service.redeliver(uuid4())


def _detail(key_id: str) -> dict[str, str]:
    return {"host": "studio.example", "key_id": key_id}
