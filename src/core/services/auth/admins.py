"""Administrators: who they are, how they come in, and what their tokens are worth."""

from __future__ import annotations

import asyncio
import hmac
import secrets
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

import msgspec

from ...domain.accounts import (
    FIRST_START,
    MAX_PASSWORD_CHARS,
    MIN_PASSWORD_CHARS,
    TOKEN_LIFE,
    Actor,
    Admin,
    Identity,
    Permission,
    account_key,
    address_key,
    allowed,
    is_password,
    normal_password,
    normal_username,
)
from ...domain.audit import AuditAction, AuditEntry, audit_entry
from ...domain.errors import (
    AdminNotFound,
    InvalidCredentials,
    InvalidSettings,
    InvalidToken,
)
from ...domain.ids import new_id
from ...domain.validation import FieldError
from ...ports.accounts import (
    AdminEdit,
    AdminRepository,
    PasswordHasher,
    TokenIssuer,
)
from ...ports.audit_log import AuditLog
from ...ports.clock import Clock
from ..support.refreshing_value import RefreshingValue
from .login_throttle import LoginThrottle
from .signing_keys import SigningKeys

FIRST_USERNAME = "admin"

USERNAME_RULE = "A user name has 1 to 64 of a-z, 0-9 and ._@-, and begins with a letter or a digit."
PASSWORD_RULE = f"A password has {MIN_PASSWORD_CHARS} to {MAX_PASSWORD_CHARS} characters."

_UNKNOWN = "unknown"
"""Who fails to log in, in the audit log: a name proves nothing yet."""

_SECOND = timedelta(seconds=1)
_TOKENS_AHEAD = timedelta(seconds=5)
"""How far `tokens_from` may be ahead of the clock: less than what is let through when a token is read."""


class AdminService:
    """Administrators and their tokens. Methods may also raise QueueUnavailable."""

    def __init__(
        self,
        *,
        admins: AdminRepository,
        keys: SigningKeys,
        tokens: TokenIssuer,
        throttle: LoginThrottle,
        hasher: PasswordHasher,
        audit: AuditLog,
        clock: Clock,
    ) -> None:
        self._admins = admins
        self._keys = keys
        self._tokens = tokens
        self._throttle = throttle
        self._hasher = hasher
        self._audit = audit
        self._clock = clock
        self._known = RefreshingValue(self._read, clock, what="the administrators")
        self._slow = asyncio.Lock()

    async def login(self, username: str, password: str, *, address: str) -> tuple[str, Identity]:
        """A token and what it says. InvalidCredentials (whatever was wrong, in the same time), TooManyAttempts."""
        name = normal_username(username)
        # What can be nobody's name is counted by its address alone: it may be a password in the wrong field.
        keys = [address_key(address)] + ([account_key(name)] if name is not None else [])
        await self._throttle.check(keys)
        async with self._slow:  # one at a time: a flood of wrong passwords is counted before it costs more
            await self._throttle.check_now(keys)
            now = self._clock.now()
            everyone = await self._read()
            admin = everyone.get(name or "")
            right = await self._is_right(password, admin, admin or _stand_in(username, everyone))
            if not right or admin is None or admin.disabled_at is not None:
                await self._throttle.failed(keys)
                tried = None if admin is None else admin.username  # other texts may be passwords
                await self._audit.append(self._entry(AuditAction.LOGIN_FAILED, Actor(_UNKNOWN, address), tried))
                raise InvalidCredentials("The user name or the password is not right.")
            if self._hasher.is_outdated(admin.password_hash):
                await self._renew_hash(admin, password)
        # The address stays counted: whoever has one account could else guess at the others without end.
        await self._throttle.succeeded([account_key(admin.username)])
        key_id, secret = await self._keys.current()
        identity = _identity(admin, now)
        token = self._tokens.issue(identity, key_id=key_id, secret=secret)
        await self._audit.append(self._entry(AuditAction.LOGIN, Actor(admin.username, address), admin.username))
        return token, identity

    async def identify(self, token: str) -> Identity:
        """Who a token speaks for. InvalidToken: it was not made here, has ended, or its administrator is disabled or
        has another password since."""
        secret = await self._keys.secret(self._tokens.key_id(token))
        identity = self._tokens.verify(token, secret=secret, now=self._clock.now())
        admin = (await self._known.get()).get(identity.username)
        if admin is None:
            self._known.forget()  # it was signed here: its administrator was added a moment ago, in another process
            admin = (await self._known.get()).get(identity.username)
        if admin is None or admin.disabled_at is not None or identity.issued_at < admin.tokens_from:
            raise InvalidToken("The access token holds no more: its administrator was disabled or has a new password.")
        return msgspec.structs.replace(identity, permissions=allowed(identity.permissions, admin.permissions))

    async def list(self) -> list[Admin]:
        """Everyone, by name."""
        return await self._admins.all()

    async def add(
        self, username: str, password: str, *, permissions: Collection[Permission] = tuple(Permission), by: Actor
    ) -> Admin:
        """AdminExists; InvalidSettings for a name or password that cannot be used."""
        admin = await self._new(username, password, permissions)
        await self._admins.add(admin, audit=self._told_of_new(admin, by))
        self._known.forget()
        return admin

    async def set_password(self, username: str, password: str, *, by: Actor) -> None:
        """Tokens from before hold no more. AdminNotFound, InvalidSettings."""
        _named(username, await self._read())
        hash = await self._hash(_checked_password(password))

        def edit(everyone: Mapping[str, Admin]) -> tuple[Admin, AuditEntry]:
            admin = _named(username, everyone)
            changed = msgspec.structs.replace(admin, password_hash=hash, tokens_from=self._after_tokens(admin))
            return changed, self._entry(AuditAction.ADMIN_PASSWORD_CHANGED, by, admin.username)

        await self._change(edit)

    async def disable(self, username: str, *, by: Actor) -> None:
        """No login any more, and tokens end within a second. AdminNotFound."""

        def edit(everyone: Mapping[str, Admin]) -> tuple[Admin, AuditEntry] | None:
            admin = _named(username, everyone)
            if admin.disabled_at is not None:
                return None
            if [name for name, one in everyone.items() if _can_do_all(one)] == [admin.username]:
                _refuse([("username", "It is the last administrator who may do everything; add another one first.")])
            disabled = msgspec.structs.replace(admin, disabled_at=self._clock.now())
            return disabled, self._entry(AuditAction.ADMIN_DISABLED, by, admin.username)

        await self._change(edit)

    async def enable(self, username: str, *, by: Actor) -> None:
        """Login is possible again; tokens from before stay void. AdminNotFound."""

        def edit(everyone: Mapping[str, Admin]) -> tuple[Admin, AuditEntry] | None:
            admin = _named(username, everyone)
            if admin.disabled_at is None:
                return None
            enabled = msgspec.structs.replace(admin, disabled_at=None, tokens_from=self._after_tokens(admin))
            return enabled, self._entry(AuditAction.ADMIN_ENABLED, by, admin.username)

        await self._change(edit)

    async def ensure_first(self, username: str | None, password: str | None) -> tuple[str, str] | None:
        """At the first start: add an administrator (named `admin` unless said otherwise).

        Returns name and password where the password was generated, to be told once; None otherwise.
        """
        if await self._admins.all():
            return None
        chosen = password or secrets.token_urlsafe(12)
        admin = await self._new(username or FIRST_USERNAME, chosen, tuple(Permission))
        added = await self._admins.add_first(admin, audit=self._told_of_new(admin, FIRST_START))
        self._known.forget()
        return (admin.username, chosen) if added and not password else None

    async def _is_right(self, password: str, admin: Admin | None, checked: Admin | None) -> bool:
        """One slow hash whatever is wrong, so that the time tells nothing of which names there are.

        `checked` is whose hash that is: where there is no such administrator, somebody else's.
        """
        # Composing makes a text shorter, but not by so much; a megabyte is not looked at whole.
        candidate = normal_password(password[: 4 * MAX_PASSWORD_CHARS])
        looked_at = candidate[:MAX_PASSWORD_CHARS]
        if checked is None:
            await self._hasher.hash(looked_at)
            return False
        matches = await self._hasher.verify(looked_at, checked.password_hash)
        return matches and admin is not None and looked_at == candidate

    async def _renew_hash(self, admin: Admin, password: str) -> None:
        hash = await self._hasher.hash(normal_password(password))
        await self._admins.renew_hash(admin.username, hash=hash, expected_hash=admin.password_hash)

    async def _hash(self, password: str) -> str:
        async with self._slow:
            return await self._hasher.hash(password)

    async def _new(self, username: str, password: str, permissions: Collection[Permission]) -> Admin:
        name = normal_username(username)
        password = normal_password(password)
        errors: list[FieldError] = []
        if name is None:
            errors.append(("username", USERNAME_RULE))
        if not is_password(password):
            errors.append(("password", PASSWORD_RULE))
        _refuse(errors)
        now = self._clock.now()
        return Admin(
            username=name or "",
            password_hash=await self._hash(password),
            permissions=tuple(permission for permission in Permission if permission in permissions),
            created_at=now,
            tokens_from=now.replace(microsecond=0),
        )

    async def _change(self, edit: AdminEdit) -> None:
        await self._admins.change(edit)
        self._known.forget()

    async def _read(self) -> dict[str, Admin]:
        return {admin.username: admin for admin in await self._admins.all()}

    def _after_tokens(self, admin: Admin) -> datetime:
        """A moment after every token that was issued so far. Tokens know whole seconds only: it is the next one, and
        tokens that are issued before it comes say that they were issued then."""
        next_second = self._clock.now().replace(microsecond=0) + _SECOND
        if next_second <= admin.tokens_from <= next_second + _TOKENS_AHEAD:
            return admin.tokens_from + _SECOND
        return next_second

    def _told_of_new(self, admin: Admin, by: Actor) -> AuditEntry:
        return audit_entry(
            AuditAction.ADMIN_ADDED,
            by,
            now=self._clock.now(),
            target=admin.username,
            permissions=[str(permission) for permission in admin.permissions],
        )

    def _entry(self, action: AuditAction, by: Actor, target: str | None) -> AuditEntry:
        return audit_entry(action, by, now=self._clock.now(), target=target)


def _named(username: str, everyone: Mapping[str, Admin]) -> Admin:
    admin = everyone.get(normal_username(username) or "")
    if admin is None:
        raise AdminNotFound("There is no administrator of this name.")
    return admin


def _stand_in(username: str, everyone: Mapping[str, Admin]) -> Admin | None:
    """Whose hash is checked for a name that there is not; None where there is nobody at all.

    Hashes with older parameters take another time than new ones. So those who are not there are spread over those who
    are, by a secret that all processes share: such a name takes the time that one of the others takes, always the same.
    """
    known = sorted(everyone)
    if not known:
        return None
    secret = everyone[known[0]].password_hash.encode()
    place = hmac.digest(secret, username.strip().lower().encode("utf-8", "surrogatepass")[:1024], "sha256")
    return everyone[known[int.from_bytes(place) % len(known)]]


def _identity(admin: Admin, now: datetime) -> Identity:
    """What a token says that is issued for a login at this moment."""
    issued_at = max(now.replace(microsecond=0), admin.tokens_from)
    return Identity(
        username=admin.username,
        permissions=frozenset(admin.permissions),
        issued_at=issued_at,
        expires_at=issued_at + TOKEN_LIFE,
        token_id=str(new_id(now)),
    )


def _can_do_all(admin: Admin) -> bool:
    return admin.disabled_at is None and set(admin.permissions) == set(Permission)


def _checked_password(password: str) -> str:
    normal = normal_password(password)
    if not is_password(normal):
        _refuse([("password", PASSWORD_RULE)])
    return normal


def _refuse(errors: Collection[FieldError]) -> None:
    if errors:
        raise InvalidSettings(" ".join(what for _, what in errors), tuple(errors))
