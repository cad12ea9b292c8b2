"""Webhooks of slots as administrators set them: the receiver of finished jobs, with a signing secret shown once."""

from __future__ import annotations

import asyncio
import base64
import secrets
from collections.abc import Collection
from urllib.parse import urlsplit
from uuid import UUID

import msgspec

from ...domain.accounts import Actor
from ...domain.audit import AuditAction, AuditEntry, audit_entry
from ...domain.errors import WebhookNotFound
from ...domain.pagination import Page, Position
from ...domain.webhook import SECRET_PREFIX, Delivery, DeliveryState, Webhook, secret_purpose
from ...ports.clock import Clock
from ...ports.repositories.slot_repository import SlotRepository
from ...ports.secrets import SecretBox
from ...ports.webhooks import WebhookOutbox, WebhookRepository, WebhookSender

_SECRET_BYTES = 32


class WebhookService:
    """Webhooks of slots and their deliveries. Methods may also raise QueueUnavailable."""

    def __init__(
        self,
        webhooks: WebhookRepository,
        outbox: WebhookOutbox,
        slots: SlotRepository,
        box: SecretBox,
        sender: WebhookSender,
        clock: Clock,
    ) -> None:
        self._webhooks = webhooks
        self._outbox = outbox
        self._slots = slots
        self._box = box
        self._sender = sender
        self._clock = clock

    async def get(self, slot_id: str) -> Webhook:
        """The slot's webhook. SlotNotFound, WebhookNotFound."""
        await self._slots.get(slot_id)
        webhook = await self._webhooks.get(slot_id)
        if webhook is None:
            raise WebhookNotFound(f"The slot {slot_id} has no webhook.")
        return webhook

    async def put(self, slot_id: str, url: str, *, by: Actor) -> tuple[Webhook, str | None]:
        """Send the slot's finished jobs to this URL; also returns the signing secret (`whsec_...`) if it is new.

        SlotNotFound, InvalidSettings.
        """
        await self._slots.get(slot_id)
        self._sender.check_url(url)
        known = await self._webhooks.get(slot_id)
        if known is None:
            return await self._save_with_new_secret(slot_id, url, by)
        webhook = msgspec.structs.replace(known, url=url, changed_at=self._clock.now(), changed_by=by.name)
        await self._save(webhook, by)
        return webhook, None

    async def rotate_secret(self, slot_id: str, *, by: Actor) -> tuple[Webhook, str]:
        """Replace the signing secret and its key ID. SlotNotFound, WebhookNotFound."""
        return await self._save_with_new_secret(slot_id, (await self.get(slot_id)).url, by)

    async def remove(self, slot_id: str, *, by: Actor) -> None:
        """Remove the webhook. SlotNotFound, WebhookNotFound."""
        entry = self._entry(AuditAction.WEBHOOK_REMOVED, await self.get(slot_id), by)
        if not await self._webhooks.remove(slot_id, audit=entry):
            raise WebhookNotFound(f"The slot {slot_id} has no webhook.")

    async def deliveries(
        self,
        *,
        states: Collection[DeliveryState] = tuple(DeliveryState),
        slot_id: str | None = None,
        limit: int = 50,
        after: Position | None = None,
    ) -> Page[Delivery]:
        """A page of deliveries, newest first."""
        return await self._outbox.find(limit=limit, states=states, slot_id=slot_id, after=after)

    async def redeliver(self, delivery_id: UUID) -> Delivery:
        """Retry a delivery now. WebhookNotFound."""
        return await self._outbox.retry_now(delivery_id)

    async def _save_with_new_secret(self, slot_id: str, url: str, by: Actor) -> tuple[Webhook, str]:
        secret = SECRET_PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()
        sealed = await asyncio.to_thread(self._box.seal, secret, purpose=secret_purpose(slot_id))
        webhook = Webhook(
            slot_id=slot_id,
            url=url,
            key_id=secrets.token_hex(4),
            sealed_secret=sealed,
            changed_at=self._clock.now(),
            changed_by=by.name,
        )
        await self._save(webhook, by)
        return webhook, secret

    async def _save(self, webhook: Webhook, by: Actor) -> None:
        await self._webhooks.save(webhook, audit=self._entry(AuditAction.WEBHOOK_CHANGED, webhook, by))

    def _entry(self, action: AuditAction, webhook: Webhook, by: Actor) -> AuditEntry:
        """Name the host only: the rest of the URL may be a secret."""
        return audit_entry(
            action,
            by,
            now=self._clock.now(),
            target=webhook.slot_id,
            host=urlsplit(webhook.url).hostname,
            key_id=webhook.key_id,
        )
