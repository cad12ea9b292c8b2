"""Changes of one administrator: what they do to the account, and which of them are refused."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec

from ...domain.accounts import Actor, Admin, Permission, Role, normal_username, role_of
from ...domain.audit import AuditAction, AuditEntry, audit_entry
from ...domain.errors import AdminNotFound
from ...domain.field_errors import FieldError, FieldErrorCode
from ...domain.validation import refuse
from ...ports.accounts import AdminEdit
from ...ports.clock import Clock

_SECOND = timedelta(seconds=1)
_TOKENS_AHEAD = timedelta(seconds=5)
"""How far `tokens_from` may be ahead of the clock: less than the tolerance when a token is verified."""


class PasswordHash(msgspec.Struct, frozen=True):
    """The slow hash and the digest of a new password."""

    hash: str
    digest: str | None

    def __repr__(self) -> str:
        return "PasswordHash()"


class AdminChange(msgspec.Struct, frozen=True, kw_only=True):
    """What to change; None leaves it as it is."""

    permissions: tuple[Permission, ...] | None = None
    disabled: bool | None = None
    password: PasswordHash | None = None


def named(username: str, everyone: Mapping[str, Admin]) -> Admin:
    """The administrator of this name. AdminNotFound."""
    admin = everyone.get(normal_username(username) or "")
    if admin is None:
        raise AdminNotFound("Administrator not found.")
    return admin


def edit_of(username: str, change: AdminChange, *, by: Actor, clock: Clock) -> AdminEdit:
    """The edit that makes all of a change or nothing. It raises AdminNotFound, and InvalidSettings for a change after
    which no owner could sign in."""

    def edit(everyone: Mapping[str, Admin]) -> tuple[Admin, list[AuditEntry]] | None:
        before, now = named(username, everyone), clock.now()
        after, entries = before, []
        if change.permissions is not None and set(change.permissions) != set(before.permissions):
            after = msgspec.structs.replace(after, permissions=change.permissions)
            entries.append(_permissions_entry(after, by, now=now))
        if change.password is not None:
            after = msgspec.structs.replace(
                after,
                password_hash=change.password.hash,
                password_digest=change.password.digest,
                tokens_from=after_tokens(after, now=now),
            )
            entries.append(audit_entry(AuditAction.ADMIN_PASSWORD_CHANGED, by, now=now, target=before.username))
        if change.disabled is not None and change.disabled != (before.disabled_at is not None):
            after = _disabled(after, now=now) if change.disabled else _enabled(after, now=now)
            action = AuditAction.ADMIN_DISABLED if change.disabled else AuditAction.ADMIN_ENABLED
            entries.append(audit_entry(action, by, now=now, target=before.username))
        if not entries:
            return None
        if (
            _is_owner(before)
            and not _is_owner(after)
            and [one for one in everyone.values() if _is_owner(one)] == [before]
        ):
            refuse([FieldError("role" if after.disabled_at is None else "disabled", FieldErrorCode.LAST_ADMINISTRATOR)])
        return after, entries

    return edit


def after_tokens(admin: Admin, *, now: datetime) -> datetime:
    """A time after every token issued so far. Tokens have whole seconds only: it is the next second, and tokens
    issued before it carry it as their time of issue."""
    next_second = now.replace(microsecond=0) + _SECOND
    if next_second <= admin.tokens_from <= next_second + _TOKENS_AHEAD:
        return admin.tokens_from + _SECOND
    return next_second


def _disabled(admin: Admin, *, now: datetime) -> Admin:
    return msgspec.structs.replace(admin, disabled_at=now)


def _enabled(admin: Admin, *, now: datetime) -> Admin:
    return msgspec.structs.replace(admin, disabled_at=None, tokens_from=after_tokens(admin, now=now))


def _is_owner(admin: Admin) -> bool:
    return admin.disabled_at is None and role_of(admin.permissions) is Role.OWNER


def _permissions_entry(admin: Admin, by: Actor, *, now: datetime) -> AuditEntry:
    role = role_of(admin.permissions)
    detail = {"permissions": [str(one) for one in admin.permissions]} if role is None else {"role": str(role)}
    return audit_entry(AuditAction.ADMIN_ROLE_CHANGED, by, now=now, target=admin.username, **detail)
