"""What a slot may be: its document read field by field, and the rules between its fields. Nothing here asks anybody."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, TypeVar
from uuid import UUID

import msgspec

from ...domain.errors import InvalidSettings
from ...domain.prompts import unknown_fields
from ...domain.settings import COUNT_BOUNDS
from ...domain.slot import (
    Branded,
    FailureAnswer,
    ResponseMode,
    Route,
    RouteEntry,
    Slot,
    TemplateBinding,
    is_field_name,
)
from ...domain.validation import (
    MAX_NAME_CHARS,
    FieldError,
    below,
    read_fields,
    visible_name,
)
from ...ports.provider import Provider

MAX_ENTRIES = 8
MAX_TEMPLATES = 32
MAX_PROMPT_FIELDS = 32
MAX_GALLERY = timedelta(days=366)
"""How far ahead a gallery may be opened: a mistyped year would leave guests' pictures open for long."""

EARLIEST_GALLERY = datetime(2000, 1, 1, tzinfo=UTC)
"""A gallery that was open until some day stays stored so; a year 1 can be stored in some zones and read in none."""

READ_ONLY = frozenset({"id", "etag", "ingest_url", "recent_results", "updated_at", "stats_reset_at"})
"""What whoever reads a slot finds beside its document and may send back: it changes nothing."""

BRANDING_PROVIDER = "local"
"""Whose operations make the failure answer `branded`."""

_LOW_BYTES, _HIGH_BYTES = COUNT_BOUNDS["max_upload_bytes"]
_NOTHING: dict[str, Any] = {"name": "", "active": False, "route": []}

_T = TypeVar("_T", bound=msgspec.Struct)


class SlotDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What can be written of a slot. The parts of `route`, `templates` and `branded` are read one by one."""

    name: str
    active: bool
    route: list[Any]
    templates: list[Any] = []
    failure_answer: FailureAnswer = FailureAnswer.ERROR
    branded: dict[str, Any] = msgspec.field(default_factory=lambda: {"operation_id": Branded().operation_id})
    hedge: bool = False
    late_rescue: bool = False
    response_mode: ResponseMode = ResponseMode.IMAGE
    prompt_fields: list[str] = []
    max_upload_bytes: Annotated[int, msgspec.Meta(ge=_LOW_BYTES, le=_HIGH_BYTES)] | None = None
    gallery_open_until: Annotated[datetime, msgspec.Meta(tz=True)] | None = None


class _Binding(msgspec.Struct, frozen=True):
    setting_key: str
    media_id: UUID


class _Branded(msgspec.Struct, frozen=True):
    operation_id: str
    settings: dict[str, Any] = {}


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """As much of a slot's document as can be read.

    Attributes:
        document: its fields; those named in `unread` could not be read, and what stands there means nothing.
        entries, bindings: the parts of `route` and `templates`, each None where it could not be read.
        branded: the same of `branded`.
    """

    document: SlotDocument
    unread: frozenset[str]
    entries: tuple[RouteEntry | None, ...]
    bindings: tuple[_Binding | None, ...]
    branded: Branded | None

    def template_ids(self) -> set[UUID]:
        """The templates that it names."""
        return {binding.media_id for binding in self.bindings if binding is not None}

    def slot(self, before: Slot) -> Slot:
        """The slot as it is to be; for a draft with which nothing is wrong."""
        given = self.document
        bindings = [
            TemplateBinding(binding.setting_key, str(binding.media_id))
            for binding in self.bindings
            if binding is not None
        ]
        route = Route(
            entries=tuple(entry for entry in self.entries if entry is not None),
            templates=tuple(sorted(bindings, key=lambda binding: binding.setting_key)),
            failure_answer=given.failure_answer,
            branded=self.branded or Branded(),
            hedge=given.hedge,
            late_rescue=given.late_rescue,
            response_mode=given.response_mode,
            prompt_fields=tuple(given.prompt_fields),
        )
        return msgspec.structs.replace(
            before,
            name=visible_name(given.name),
            active=given.active,
            route=route,
            max_upload_bytes=given.max_upload_bytes,
            gallery_open_until=given.gallery_open_until,
        )


def read_document(document: Mapping[str, Any]) -> tuple[Draft, list[FieldError]]:
    """A document field by field, and everything of it that could not be read."""
    given, errors = read_fields(SlotDocument, document, ignored=READ_ONLY)
    whole = SlotDocument(**_NOTHING | given)
    entries, entry_errors = _read_each(RouteEntry, whole.route[: MAX_ENTRIES + 1], at="route")
    bindings, binding_errors = _read_each(_Binding, whole.templates[: MAX_TEMPLATES + 1], at="templates")
    branded, branded_errors = _read(_Branded, whole.branded, at="branded")
    draft = Draft(
        document=whole,
        unread=frozenset({*_NOTHING, *document} - given.keys()),
        entries=entries,
        bindings=bindings,
        branded=None if branded is None else Branded(branded.operation_id, branded.settings),
    )
    return draft, [*errors, *entry_errors, *binding_errors, *branded_errors]


def broken_rules(
    draft: Draft, before: Slot, *, providers: Mapping[str, Provider], templates: Collection[UUID], now: datetime
) -> list[FieldError]:
    """Every rule that the draft breaks, as far as it could be read.

    `templates` are those that there are. An entry of a provider that is not installed any more may stay as it is.
    """
    return [
        *_name_troubles(draft),
        *_route_troubles(draft),
        *(trouble for at, entry in _steps(draft) for trouble in _step_troubles(at, entry, draft, before, providers)),
        *_template_troubles(draft, before, providers, templates),
        *_prompt_field_troubles(draft),
        *_gallery_troubles(draft, now),
    ]


def template_roles(entries: Collection[RouteEntry], providers: Mapping[str, Provider]) -> set[str]:
    """The setting keys under which the operations of these entries take a template."""
    found = (
        providers[entry.provider_id].info.operation(entry.operation_id)
        for entry in entries
        if entry.provider_id in providers
    )
    return {role for operation in found if operation is not None for role in operation.template_roles}


def steps_of(route: Route) -> list[RouteEntry]:
    """Everything of a route that is asked for pictures: its entries, and what makes its branded failure answer."""
    return [*route.entries, _branding(route.branded)]


def _branding(branded: Branded) -> RouteEntry:
    return RouteEntry(BRANDING_PROVIDER, branded.operation_id, branded.settings)


def _steps(draft: Draft) -> list[tuple[str, RouteEntry]]:
    """The same of a draft, each with its place."""
    steps = [(f"route.{number}", entry) for number, entry in enumerate(draft.entries) if entry is not None]
    return steps if draft.branded is None else [*steps, ("branded", _branding(draft.branded))]


def _name_troubles(draft: Draft) -> list[FieldError]:
    name = draft.document.name.strip()
    if "name" in draft.unread or (name and visible_name(name) == name):
        return []
    return [("name", f"A name has 1 to {MAX_NAME_CHARS} characters that can be seen, in one line.")]


def _route_troubles(draft: Draft) -> list[FieldError]:
    if "route" in draft.unread:
        return []
    troubles: list[FieldError] = []
    if len(draft.entries) > MAX_ENTRIES:
        troubles.append(("route", f"A route has at most {MAX_ENTRIES} entries."))
    if draft.document.active and not draft.entries:
        troubles.append(("route", "A slot that is active needs at least one entry."))
    if draft.document.hedge and len(draft.entries) < 2:
        troubles.append(("hedge", "Hedging needs a second entry to ask as well."))
    return troubles


def _step_troubles(
    at: str, entry: RouteEntry, draft: Draft, before: Slot, providers: Mapping[str, Provider]
) -> list[FieldError]:
    provider = providers.get(entry.provider_id)
    if provider is None:
        if entry in steps_of(before.route):
            return []
        return [(below(at, "provider_id"), f"There is no provider {entry.provider_id[:64]!r} here.")]
    operation = provider.info.operation(entry.operation_id)
    if operation is None:
        told = f"The provider {provider.info.id} has no operation {entry.operation_id[:64]!r}."
        return [(below(at, "operation_id"), told)]
    at = below(at, "settings")
    troubles: list[FieldError] = []
    try:
        provider.check_settings(operation.id, entry.settings)
    except InvalidSettings as error:
        troubles += [(below(at, place), what) for place, what in error.errors or (("", error.detail),)]
    if "prompt_fields" not in draft.unread:
        troubles += [
            (below(at, name), f"{{{field}}} is not among the prompt fields.")
            for name in operation.prompts
            if isinstance(text := entry.settings.get(name), str)
            for field in unknown_fields(text, draft.document.prompt_fields)
        ]
    return troubles


def _template_troubles(
    draft: Draft, before: Slot, providers: Mapping[str, Provider], templates: Collection[UUID]
) -> list[FieldError]:
    steps = [entry for _, entry in _steps(draft)]
    roles = template_roles(steps, providers)
    roles_known = "route" not in draft.unread and None not in (*draft.entries, draft.branded)
    if any(step.provider_id not in providers for step in steps):  # what they take is not known here
        roles |= {binding.setting_key for binding in before.route.templates}
    troubles: list[FieldError] = []
    if len(draft.bindings) > MAX_TEMPLATES:
        troubles.append(("templates", f"A slot has at most {MAX_TEMPLATES} templates."))
    seen: set[str] = set()
    for number, binding in enumerate(draft.bindings):
        if binding is None:
            continue
        place = f"templates.{number}"
        if binding.setting_key in seen:
            troubles.append((below(place, "setting_key"), "There is another template under this key."))
        seen.add(binding.setting_key)
        if roles_known and binding.setting_key not in roles:
            troubles.append((below(place, "setting_key"), no_such_role(binding.setting_key, roles)))
        if binding.media_id not in templates:
            troubles.append((below(place, "media_id"), "There is no such template."))
    return troubles


def no_such_role(setting_key: str, roles: Collection[str]) -> str:
    """Why a template cannot be bound under this key."""
    taken = f"there are {', '.join(sorted(roles))}" if roles else "it takes none"
    return f"No entry of the route takes a template as {setting_key[:64]!r}; {taken}."


def _prompt_field_troubles(draft: Draft) -> list[FieldError]:
    names = [] if "prompt_fields" in draft.unread else draft.document.prompt_fields
    troubles: list[FieldError] = []
    if len(names) > MAX_PROMPT_FIELDS:
        troubles.append(("prompt_fields", f"There are at most {MAX_PROMPT_FIELDS}."))
    for number, name in enumerate(names[: MAX_PROMPT_FIELDS + 1]):
        if not is_field_name(name):
            told = "A field's name is made of A-Z, a-z, 0-9 and _, at most 64, and begins with no digit."
            troubles.append((f"prompt_fields.{number}", told))
        elif name in names[:number]:
            troubles.append((f"prompt_fields.{number}", "This field is there already."))
    return troubles


def _gallery_troubles(draft: Draft, now: datetime) -> list[FieldError]:
    until = None if "gallery_open_until" in draft.unread else draft.document.gallery_open_until
    if until is None or EARLIEST_GALLERY <= until <= now + MAX_GALLERY:
        return []
    if until < EARLIEST_GALLERY:
        return [("gallery_open_until", f"It is not before {EARLIEST_GALLERY:%Y}; null closes the gallery.")]
    return [("gallery_open_until", f"A gallery can be open for {MAX_GALLERY.days} days from now at most.")]


def _read_each(kind: type[_T], items: Sequence[Any], *, at: str) -> tuple[tuple[_T | None, ...], list[FieldError]]:
    """Each item as a struct, None where it is none, and everything that is wrong with them."""
    read = [_read(kind, item, at=f"{at}.{number}") for number, item in enumerate(items)]
    return tuple(item for item, _ in read), [error for _, errors in read for error in errors]


def _read(kind: type[_T], item: object, *, at: str) -> tuple[_T | None, list[FieldError]]:
    fields, errors = read_fields(kind, item, at=at)
    return None if errors else kind(**fields), errors
