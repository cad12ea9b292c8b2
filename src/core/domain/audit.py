"""The audit log: who changed what and when, and who tried to log in. Entries contain no secrets."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from .accounts import Actor
from .ids import new_id
from .stored_values import StoredEnum


class AuditAction(StoredEnum):
    """The kinds of events."""

    LOGIN = "login"
    LOGIN_FAILED = "login_failed"
    LOGOUT = "logout"
    INGEST_PASSWORD_FAILED = "ingest_password_failed"
    INGEST_PASSWORD_CHANGED = "ingest_password_changed"
    INGEST_KEY_ADDED = "ingest_key_added"
    INGEST_KEY_REVOKED = "ingest_key_revoked"
    ADMIN_ADDED = "admin_added"
    ADMIN_PASSWORD_CHANGED = "admin_password_changed"
    ADMIN_ROLE_CHANGED = "admin_role_changed"
    ADMIN_DISABLED = "admin_disabled"
    ADMIN_ENABLED = "admin_enabled"
    SIGNING_KEY_ROTATED = "signing_key_rotated"
    SECRET_KEY_CHANGED = "secret_key_changed"
    SLOT_CHANGED = "slot_changed"
    STATS_RESET = "stats_reset"
    SETTINGS_CHANGED = "settings_changed"
    PROVIDER_KEY_CHANGED = "provider_key_changed"
    PROVIDER_KEY_REMOVED = "provider_key_removed"
    PROVIDER_LIMITS_CHANGED = "provider_limits_changed"
    TEMPLATE_ADDED = "template_added"
    TEMPLATE_REMOVED = "template_removed"
    WEBHOOK_CHANGED = "webhook_changed"
    WEBHOOK_REMOVED = "webhook_removed"
    READY_CHECKED = "ready_checked"
    PURGED = "purged"
    JOB_CANCELLED = "job_cancelled"
    JOB_ERASED = "job_erased"
    RESULT_HIDDEN = "result_hidden"
    RESULT_SHOWN = "result_shown"


WRONG_PASSWORDS = frozenset({AuditAction.LOGIN_FAILED, AuditAction.INGEST_PASSWORD_FAILED})
"""Events that anonymous requests cause."""


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One event. `target` names what it was done to; `detail` holds plain JSON values."""

    id: UUID
    at: datetime
    action: AuditAction
    actor: str
    address: str | None = None
    target: str | None = None
    detail: dict[str, Any] = {}


def audit_entry(
    action: AuditAction, by: Actor, *, now: datetime, target: str | None = None, **detail: Any
) -> AuditEntry:
    """The entry that records an action."""
    return AuditEntry(
        id=new_id(now), at=now, action=action, actor=by.name, address=by.address, target=target, detail=detail
    )
