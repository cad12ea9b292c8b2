"""Slots: the named configurations that receive photos, and their routes."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import msgspec

from ..costs.budgets import SlotBudget
from ..costs.currency import shown_amount
from ..settings import StoredPassword
from ..stored_values import StoredEnum

DEFAULT_SLOT_COUNT = 15
MAX_SLOT_COUNT = 1000

MAX_FIELD_NAME_CHARS = 64

_SLOT_ID = re.compile(r"slot-(?!000)(?:[0-9]{3}|1000)\Z")
_FIELD_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}\Z")


class FailureAnswer(StoredEnum):
    """The answer to the waiting client when the route is exhausted or the window ends."""

    ERROR = "error"
    ORIGINAL = "original"
    BRANDED = "branded"


class ResponseMode(StoredEnum):
    """The form of a synchronous answer: the picture alone, or multipart/mixed with a JSON part and the picture."""

    IMAGE = "image"
    MULTIPART = "multipart"


class RouteEntry(msgspec.Struct, frozen=True):
    """One step of a route: an operation of a provider with its settings."""

    provider_id: str
    operation_id: str
    settings: dict[str, Any] = {}


class Branded(msgspec.Struct, frozen=True):
    """The `local` operation that makes the failure answer `branded`."""

    operation_id: str = "frame"
    settings: dict[str, Any] = {}


class TemplateBinding(msgspec.Struct, frozen=True):
    """A permanent picture bound to a slot by the name of a setting, such as `style` or `frame`."""

    setting_key: str
    media_id: str


class Route(msgspec.Struct, frozen=True):
    """The part of a slot that decides how a job runs; copied into the job, so that later edits do not affect it.

    `keep_transparency`: a photo with transparency goes to providers with it, instead of on white.
    `skipped`: how many entries were left out of a job's copy, because their providers were too busy for its window.
    """

    entries: tuple[RouteEntry, ...]
    templates: tuple[TemplateBinding, ...] = ()
    failure_answer: FailureAnswer = FailureAnswer.ERROR
    branded: Branded = Branded()
    hedge: bool = False
    late_rescue: bool = False
    response_mode: ResponseMode = ResponseMode.IMAGE
    prompt_fields: tuple[str, ...] = ()
    keep_transparency: bool = False
    skipped: int = 0


class Slot(msgspec.Struct, frozen=True):
    """One slot. `version` counts its writes and makes its ETag; `max_upload_bytes` None means the service's limit.

    `ingest_password`: the only password that the slot accepts; None means the service's.
    `stats_reset_at`: start of its statistics after a reset; not part of the version.
    `budget`: what it may cost; None: no limit of its own.
    `gallery_title`: what guests read above its gallery; None: the slot's name.
    """

    id: str
    name: str
    active: bool
    route: Route
    version: int = 1
    max_upload_bytes: int | None = None
    gallery_open_until: datetime | None = None
    ingest_password: StoredPassword | None = None
    updated_at: datetime | None = None
    stats_reset_at: datetime | None = None
    budget: SlotBudget | None = None
    gallery_title: str | None = None

    @property
    def title_for_guests(self) -> str:
        """The title of the slot's gallery."""
        return self.gallery_title or self.name

    def gallery_is_open(self, now: datetime) -> bool:
        """Whether guests can see the slot's gallery."""
        return self.gallery_open_until is not None and self.gallery_open_until > now


def slot_document(slot: Slot) -> dict[str, Any]:
    """The writable part of the slot as JSON (SPEC §4), without its ingest password."""
    return {
        "name": slot.name,
        "active": slot.active,
        **route_document(slot.route),
        "max_upload_bytes": slot.max_upload_bytes,
        "gallery_open_until": slot.gallery_open_until and slot.gallery_open_until.isoformat(),
        "gallery_title": slot.gallery_title,
        "budget": slot.budget and {"per_day": shown_amount(slot.budget.per_day_micros)},
    }


def route_document(route: Route) -> dict[str, Any]:
    """The part of a slot's document that decides how a job runs."""
    document = msgspec.to_builtins(route)
    del document["skipped"]
    return {"route": document.pop("entries"), **document}


def changed_fields(before: Slot, after: Slot) -> dict[str, tuple[Any, Any]]:
    """The differences between two states of a slot, by field of its document: old and new value."""
    was, now = slot_document(before), slot_document(after)
    return {name: (was[name], now[name]) for name in now if was[name] != now[name]}


def slot_ids(count: int) -> tuple[str, ...]:
    """Return the IDs of the first `count` slots: slot-001 to slot-999, slot-1000."""
    return tuple(f"slot-{number:03d}" for number in range(1, count + 1))


def is_slot_id(text: str) -> bool:
    """Whether a slot can have this ID."""
    return bool(_SLOT_ID.match(text))


def slot_order(slot_id: str) -> tuple[int, str]:
    """The key that sorts slots by their numbers: slot-1000 comes after slot-999."""
    return len(slot_id), slot_id


def shipped_slots(count: int = DEFAULT_SLOT_COUNT) -> tuple[Slot, ...]:
    """The slots of a new installation: 001-004 work without a key, the others have no route yet."""

    def local(operation_id: str, **settings: Any) -> Route:
        return Route(entries=(RouteEntry("local", operation_id, settings),))

    ready = (
        ("Natural enhance", local("enhance")),
        ("Oil painting", local("stylize", look="oil")),
        ("Party frame", local("frame")),
        ("Studio background", local("background")),
    )
    ids = slot_ids(count)
    slots = [Slot(slot_id, name, True, route) for slot_id, (name, route) in zip(ids, ready, strict=False)]
    slots += [
        Slot(slot_id, slot_id.replace("slot-", "Slot "), False, Route(entries=())) for slot_id in ids[len(ready) :]
    ]
    return tuple(slots)


def is_field_name(name: str) -> bool:
    """Whether a form field's name can be stored as job metadata and used as `{name}` in prompts."""
    return bool(_FIELD_NAME.match(name))
