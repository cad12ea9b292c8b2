"""Validation of a slot: its document field by field, and the rules between its fields. Pure functions."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, TypeVar
from uuid import UUID

import msgspec

from ...domain.accounts import MAX_PASSWORD_CHARS, MIN_PASSWORD_CHARS, is_password
from ...domain.costs.budgets import MAX_BUDGET_MICROS, SlotBudget
from ...domain.costs.currency import MICROS, micros_of
from ...domain.errors import InvalidSettings
from ...domain.field_errors import FieldError, FieldErrorCode, below
from ...domain.routing.prompts import unknown_fields
from ...domain.settings import COUNT_BOUNDS
from ...domain.slots.slot import (
    MAX_FIELD_NAME_CHARS,
    Branded,
    FailureAnswer,
    ResponseMode,
    Route,
    RouteEntry,
    Slot,
    TemplateBinding,
    is_field_name,
)
from ...domain.validation import MAX_NAME_CHARS, read_fields, visible_name
from ...ports.provider import Provider

MAX_ENTRIES = 8
MAX_TEMPLATES = 32
MAX_PROMPT_FIELDS = 32
MAX_GALLERY = timedelta(days=366)
"""How far ahead a gallery may be opened: a mistyped year would leave guests' pictures public for years."""

EARLIEST_GALLERY = datetime(2000, 1, 1, tzinfo=UTC)
"""Past dates stay stored; a date in year 1 can be stored in some time zones and read back in none."""

READ_ONLY = frozenset(
    {"id", "etag", "ingest_url", "gallery_url", "ingest_password_set", "recent_results", "updated_at", "stats_reset_at"}
)
"""Read-only fields of a slot on the wire; a client may send them back, without effect."""

BRANDING_PROVIDER = "local"
"""The provider whose operations make the failure answer `branded`."""

_LOW_BYTES, _HIGH_BYTES = COUNT_BOUNDS["max_upload_bytes"]
_NOTHING: dict[str, Any] = {"name": "", "active": False, "route": []}

_T = TypeVar("_T", bound=msgspec.Struct)


class SlotDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The writable part of a slot. The parts of `route`, `templates` and `branded` are read one by one."""

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
    keep_transparency: bool = False
    max_upload_bytes: Annotated[int, msgspec.Meta(ge=_LOW_BYTES, le=_HIGH_BYTES)] | None = None
    gallery_open_until: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    gallery_title: str | None = None
    budget: dict[str, Any] | None = None
    ingest_password: str | msgspec.UnsetType | None = msgspec.UNSET
    """None removes it, UNSET keeps it."""

    def __repr__(self) -> str:
        return f"SlotDocument({self.name!r})"


class _Binding(msgspec.Struct, frozen=True):
    setting_key: str
    media_id: UUID


class _Branded(msgspec.Struct, frozen=True):
    operation_id: str
    settings: dict[str, Any] = {}


class _Budget(msgspec.Struct, frozen=True):
    per_day: Annotated[float, msgspec.Meta(ge=0, le=MAX_BUDGET_MICROS / MICROS)]


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """The readable part of a slot's document.

    Attributes:
        document: the fields; those named in `unread` could not be read and hold placeholders.
        entries, bindings: the parts of `route` and `templates`, None for each that could not be read.
        branded, budget: the same for `branded` and `budget`.
    """

    document: SlotDocument
    unread: frozenset[str]
    entries: tuple[RouteEntry | None, ...]
    bindings: tuple[_Binding | None, ...]
    branded: Branded | None
    budget: _Budget | None

    def template_ids(self) -> set[UUID]:
        """The templates that the draft names."""
        return {binding.media_id for binding in self.bindings if binding is not None}

    def slot(self, before: Slot) -> Slot:
        """The new state of the slot; only for a draft without errors."""
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
            keep_transparency=given.keep_transparency,
        )
        return msgspec.structs.replace(
            before,
            name=visible_name(given.name),
            active=given.active,
            route=route,
            max_upload_bytes=given.max_upload_bytes,
            gallery_open_until=given.gallery_open_until,
            gallery_title=None if given.gallery_title is None else visible_name(given.gallery_title),
            budget=None if self.budget is None else SlotBudget(micros_of(self.budget.per_day)),
        )


def read_document(document: Mapping[str, Any]) -> tuple[Draft, list[FieldError]]:
    """Read a document field by field; the draft, and an error for each field that could not be read."""
    given, errors = read_fields(SlotDocument, document, ignored=READ_ONLY)
    whole = SlotDocument(**_NOTHING | given)
    entries, entry_errors = _read_each(RouteEntry, whole.route[: MAX_ENTRIES + 1], at="route")
    bindings, binding_errors = _read_each(_Binding, whole.templates[: MAX_TEMPLATES + 1], at="templates")
    branded, branded_errors = _read(_Branded, whole.branded, at="branded")
    budget, budget_errors = (None, []) if whole.budget is None else _read(_Budget, whole.budget, at="budget")
    draft = Draft(
        document=whole,
        unread=frozenset({*_NOTHING, *document} - given.keys()),
        entries=entries,
        bindings=bindings,
        branded=None if branded is None else Branded(branded.operation_id, branded.settings),
        budget=budget,
    )
    return draft, [*errors, *entry_errors, *binding_errors, *branded_errors, *budget_errors]


def broken_rules(
    draft: Draft, before: Slot, *, providers: Mapping[str, Provider], templates: Collection[UUID], now: datetime
) -> list[FieldError]:
    """Every rule that the readable part of the draft breaks.

    `templates` are the existing ones. An unchanged entry of a provider that is no longer installed is allowed.
    """
    return [
        *_name_errors(draft),
        *_route_errors(draft),
        *(error for at, entry in _steps(draft) for error in _step_errors(at, entry, draft, before, providers)),
        *_template_errors(draft, before, providers, templates),
        *_prompt_field_errors(draft),
        *_gallery_errors(draft, now),
        *_password_errors(draft),
    ]


def template_roles(entries: Collection[RouteEntry], providers: Mapping[str, Provider]) -> set[str]:
    """The setting keys with which the operations of these entries take a template."""
    found = (
        providers[entry.provider_id].info.operation(entry.operation_id)
        for entry in entries
        if entry.provider_id in providers
    )
    return {role for operation in found if operation is not None for role in operation.template_roles}


def steps_of(route: Route) -> list[RouteEntry]:
    """Every step of a route that makes pictures: its entries, and the branded failure answer."""
    return [*route.entries, _branding(route.branded)]


def _branding(branded: Branded) -> RouteEntry:
    return RouteEntry(BRANDING_PROVIDER, branded.operation_id, branded.settings)


def _steps(draft: Draft) -> list[tuple[str, RouteEntry]]:
    """The same for a draft, each with its path."""
    steps = [(f"route.{number}", entry) for number, entry in enumerate(draft.entries) if entry is not None]
    return steps if draft.branded is None else [*steps, ("branded", _branding(draft.branded))]


def _name_errors(draft: Draft) -> list[FieldError]:
    names = {"name": draft.document.name, "gallery_title": draft.document.gallery_title}
    return [
        FieldError(field, FieldErrorCode.NAME_FORMAT, {"max": MAX_NAME_CHARS})
        for field, given in names.items()
        if field not in draft.unread and given is not None and not _is_name(given)
    ]


def _is_name(given: str) -> bool:
    name = given.strip()
    return bool(name) and len(given) <= MAX_NAME_CHARS and visible_name(name) == name


def _route_errors(draft: Draft) -> list[FieldError]:
    if "route" in draft.unread:
        return []
    errors: list[FieldError] = []
    if len(draft.entries) > MAX_ENTRIES:
        errors.append(FieldError("route", FieldErrorCode.TOO_MANY, {"max": MAX_ENTRIES}))
    if draft.document.active and not draft.entries:
        errors.append(FieldError("route", FieldErrorCode.ACTIVE_WITHOUT_ROUTE))
    if draft.document.hedge and len(draft.entries) < 2:
        errors.append(FieldError("hedge", FieldErrorCode.HEDGE_WITHOUT_SECOND_ENTRY))
    return errors


def _step_errors(
    at: str, entry: RouteEntry, draft: Draft, before: Slot, providers: Mapping[str, Provider]
) -> list[FieldError]:
    provider = providers.get(entry.provider_id)
    if provider is None:
        if entry in steps_of(before.route):
            return []
        params = {"provider": entry.provider_id[:64]}
        return [FieldError(below(at, "provider_id"), FieldErrorCode.PROVIDER_UNKNOWN, params)]
    operation = provider.info.operation(entry.operation_id)
    if operation is None:
        params = {"provider": provider.info.id, "operation": entry.operation_id[:64]}
        return [FieldError(below(at, "operation_id"), FieldErrorCode.OPERATION_UNKNOWN, params)]
    at = below(at, "settings")
    errors: list[FieldError] = []
    try:
        provider.check_settings(operation.id, entry.settings)
    except InvalidSettings as error:
        found = error.errors or (FieldError("", FieldErrorCode.INVALID, {"message": error.detail}),)
        errors += [one.below(at) for one in found]
    if "prompt_fields" not in draft.unread:
        errors += [
            FieldError(below(at, name), FieldErrorCode.PROMPT_FIELD_UNKNOWN, {"field": field})
            for name in operation.prompts
            if isinstance(text := entry.settings.get(name), str)
            for field in unknown_fields(text, draft.document.prompt_fields)
        ]
    return errors


def _template_errors(
    draft: Draft, before: Slot, providers: Mapping[str, Provider], templates: Collection[UUID]
) -> list[FieldError]:
    steps = [entry for _, entry in _steps(draft)]
    roles = template_roles(steps, providers)
    roles_known = "route" not in draft.unread and None not in (*draft.entries, draft.branded)
    if any(step.provider_id not in providers for step in steps):  # the roles of a missing provider are unknown
        roles |= {binding.setting_key for binding in before.route.templates}
    errors: list[FieldError] = []
    if len(draft.bindings) > MAX_TEMPLATES:
        errors.append(FieldError("templates", FieldErrorCode.TOO_MANY, {"max": MAX_TEMPLATES}))
    seen: set[str] = set()
    for number, binding in enumerate(draft.bindings):
        if binding is None:
            continue
        key = f"templates.{number}.setting_key"
        if binding.setting_key in seen:
            errors.append(FieldError(key, FieldErrorCode.DUPLICATE))
        seen.add(binding.setting_key)
        if roles_known and binding.setting_key not in roles:
            errors.append(unknown_role(key, binding.setting_key, roles))
        if binding.media_id not in templates:
            errors.append(FieldError(f"templates.{number}.media_id", FieldErrorCode.TEMPLATE_NOT_FOUND))
    return errors


def unknown_role(field: str, setting_key: str, roles: Collection[str]) -> FieldError:
    """The error of a template binding whose setting key no step of the route uses."""
    if not roles:
        return FieldError(field, FieldErrorCode.TEMPLATES_NOT_SUPPORTED)
    params = {"role": setting_key[:64], "allowed": sorted(roles)}
    return FieldError(field, FieldErrorCode.TEMPLATE_ROLE_UNKNOWN, params)


def _prompt_field_errors(draft: Draft) -> list[FieldError]:
    names = [] if "prompt_fields" in draft.unread else draft.document.prompt_fields
    errors: list[FieldError] = []
    if len(names) > MAX_PROMPT_FIELDS:
        errors.append(FieldError("prompt_fields", FieldErrorCode.TOO_MANY, {"max": MAX_PROMPT_FIELDS}))
    for number, name in enumerate(names[: MAX_PROMPT_FIELDS + 1]):
        field = f"prompt_fields.{number}"
        if not is_field_name(name):
            errors.append(FieldError(field, FieldErrorCode.FIELD_NAME_FORMAT, {"max": MAX_FIELD_NAME_CHARS}))
        elif name in names[:number]:
            errors.append(FieldError(field, FieldErrorCode.DUPLICATE))
    return errors


def _gallery_errors(draft: Draft, now: datetime) -> list[FieldError]:
    field = "gallery_open_until"
    until = None if field in draft.unread else draft.document.gallery_open_until
    if until is None or EARLIEST_GALLERY <= until <= now + MAX_GALLERY:
        return []
    if until < EARLIEST_GALLERY:
        return [FieldError(field, FieldErrorCode.TOO_EARLY, {"min": f"{EARLIEST_GALLERY:%Y-%m-%d}"})]
    return [FieldError(field, FieldErrorCode.TOO_FAR_AHEAD, {"days": MAX_GALLERY.days})]


def _password_errors(draft: Draft) -> list[FieldError]:
    password = draft.document.ingest_password
    if not isinstance(password, str) or is_password(password):
        return []
    params = {"min": MIN_PASSWORD_CHARS, "max": MAX_PASSWORD_CHARS}
    return [FieldError("ingest_password", FieldErrorCode.LENGTH_OUT_OF_RANGE, params)]


def _read_each(kind: type[_T], items: Sequence[Any], *, at: str) -> tuple[tuple[_T | None, ...], list[FieldError]]:
    """Each item as a struct or None, and the errors of all items."""
    read = [_read(kind, item, at=f"{at}.{number}") for number, item in enumerate(items)]
    return tuple(item for item, _ in read), [error for _, errors in read for error in errors]


def _read(kind: type[_T], item: object, *, at: str) -> tuple[_T | None, list[FieldError]]:
    fields, errors = read_fields(kind, item, at=at)
    return None if errors else kind(**fields), errors
