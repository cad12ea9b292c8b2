"""What the core offers: the driving ports that HTTP, the worker, the command line and embedding code call."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from typing import Any, Protocol
from uuid import UUID

from ..domain.accounts import (
    Actor,
    Admin,
    Identity,
    Permission,
)
from ..domain.media import (
    StoredFile,
    TemplateMedia,
)
from ..domain.pagination import Page, Position
from ..domain.slot import Slot
from ..domain.webhook import Delivery, DeliveryState, Webhook


class SlotService(Protocol):
    """The slots, for those who configure them. Methods may also raise QueueUnavailable.

    A document is a slot as JSON tells of it (see `core.slots.slot_document`); every write is checked whole.
    """

    async def list(
        self, *, provider_id: str | None = None, operation_id: str | None = None, search: str | None = None
    ) -> list[Slot]:
        """The slots by id: those with a route entry of this provider and operation, whose id or name holds the text
        (letters large or small)."""
        ...

    async def get(self, slot_id: str) -> Slot:
        """SlotNotFound."""
        ...

    async def check(self, slot_id: str, document: Mapping[str, Any]) -> Slot:
        """The slot as it would be with this document; nothing is stored. SlotNotFound, InvalidSettings."""
        ...

    async def put(self, slot_id: str, document: Mapping[str, Any], *, expected_version: int, by: Actor) -> Slot:
        """Store the slot; jobs that are under way keep what they began with.

        SlotNotFound, InvalidSettings (field by field), VersionConflict.
        """
        ...

    async def reset_stats(self, slot_id: str, *, by: Actor) -> None:
        """Count the slot's statistics from now on; history is kept. SlotNotFound."""
        ...


class TemplateService(Protocol):
    """Permanent pictures for slots. Methods may also raise QueueUnavailable and StorageUnavailable."""

    async def add(self, data: AsyncIterator[bytes], *, name: str, by: Actor) -> TemplateMedia:
        """Store a picture and its thumbnail, bound to nothing yet.

        Raises PayloadTooLarge, UnsupportedMediaType, UndecodableImage, ImageTooLarge; nothing stays behind then.
        """
        ...

    async def add_bound(
        self, data: AsyncIterator[bytes], *, name: str, slot_id: str, setting_key: str, by: Actor
    ) -> TemplateMedia:
        """`add` and bind to a slot, both or neither. Also raises SlotNotFound, BindingTaken, and InvalidSettings where
        no entry of the slot's route takes a template under this key."""
        ...

    async def add_replacing(
        self, data: AsyncIterator[bytes], *, name: str, slot_id: str, setting_key: str, by: Actor
    ) -> TemplateMedia:
        """The same in place of what is bound there; that template is kept."""
        ...

    async def list(
        self, *, slot_id: str | None = None, setting_key: str | None = None
    ) -> list[tuple[TemplateMedia, tuple[tuple[str, str], ...]]]:
        """The templates, newest first, each with all its bindings (slot id, setting key)."""
        ...

    async def get(self, template_id: UUID) -> TemplateMedia:
        """TemplateNotFound."""
        ...

    async def thumbnail(self, template_id: UUID) -> StoredFile:
        """A small WebP of it; made now if it is not there. TemplateNotFound."""
        ...

    async def remove(self, template_id: UUID, *, besides: tuple[str, str] | None = None, by: Actor) -> None:
        """Remove a template that no slot and no live job uses, with its files; `besides` (slot id, setting key) names a
        binding that may go with it. TemplateNotFound, TemplateInUse."""
        ...

    async def remove_bound(self, template_id: UUID, *, by: Actor) -> None:
        """Remove it and its bindings, whatever uses it. TemplateNotFound."""
        ...


class AdminService(Protocol):
    """Administrators and their tokens. Methods may also raise QueueUnavailable."""

    async def login(self, username: str, password: str, *, address: str) -> tuple[str, Identity]:
        """A token and what it says. InvalidCredentials (whatever was wrong, in the same time), TooManyAttempts."""
        ...

    async def identify(self, token: str) -> Identity:
        """Who a token speaks for. InvalidToken: it was not made here, has ended, or its administrator is disabled or
        has another password since."""
        ...

    async def list(self) -> list[Admin]:
        """Everyone, by name."""
        ...

    async def add(
        self, username: str, password: str, *, permissions: Collection[Permission] = tuple(Permission), by: Actor
    ) -> Admin:
        """AdminExists; InvalidSettings for a name or password that cannot be used."""
        ...

    async def set_password(self, username: str, password: str, *, by: Actor) -> None:
        """Tokens from before hold no more. AdminNotFound, InvalidSettings."""
        ...

    async def disable(self, username: str, *, by: Actor) -> None:
        """No login any more, and tokens end within a second. AdminNotFound."""
        ...

    async def enable(self, username: str, *, by: Actor) -> None:
        """Login is possible again; tokens from before stay void. AdminNotFound."""
        ...

    async def ensure_first(self, username: str | None, password: str | None) -> tuple[str, str] | None:
        """At the first start: add an administrator (named `admin` unless said otherwise).

        Returns name and password where the password was generated, to be told once; None otherwise.
        """
        ...


class WebhookService(Protocol):
    """Webhooks of slots, and what became of their deliveries. Methods may also raise QueueUnavailable."""

    async def get(self, slot_id: str) -> Webhook:
        """SlotNotFound, WebhookNotFound."""
        ...

    async def put(self, slot_id: str, url: str, *, by: Actor) -> tuple[Webhook, str | None]:
        """Tell this URL of the slot's ended jobs from now on; with the signing secret (`whsec_...`) if it was made now.

        SlotNotFound, InvalidSettings.
        """
        ...

    async def rotate_secret(self, slot_id: str, *, by: Actor) -> tuple[Webhook, str]:
        """A new signing secret and key id; the old one is used no more. SlotNotFound, WebhookNotFound."""
        ...

    async def remove(self, slot_id: str, *, by: Actor) -> None:
        """SlotNotFound, WebhookNotFound."""
        ...

    async def deliveries(
        self,
        *,
        states: Collection[DeliveryState] = tuple(DeliveryState),
        slot_id: str | None = None,
        limit: int = 50,
        after: Position | None = None,
    ) -> Page[Delivery]:
        """A page of deliveries, newest first."""
        ...

    async def redeliver(self, delivery_id: UUID) -> Delivery:
        """Try a delivery again, now. WebhookNotFound."""
        ...
