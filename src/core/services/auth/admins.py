"""Administrators: accounts, logins, and the validity of tokens."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

import msgspec

from ...domain.accounts import (
    ADMIN_DIGEST_BYTES,
    FIRST_START,
    IDLE_LIMIT,
    MAX_PASSWORD_CHARS,
    MAX_USERNAME_CHARS,
    RENEWED_AFTER,
    TOKEN_LIFE,
    Actor,
    Admin,
    Identity,
    Permission,
    allowed,
    login_keys,
    normal_password,
    normal_username,
)
from ...domain.audit import AuditAction, AuditEntry, audit_entry
from ...domain.errors import AdminNotFound, InvalidCredentials, InvalidToken
from ...domain.field_errors import FieldError, FieldErrorCode
from ...domain.ids import new_id
from ...domain.validation import refuse
from ...ports.accounts import AdminEdit, AdminRepository, TokenIssuer
from ...ports.clock import Clock
from ...ports.repositories.audit_log import AuditLog
from ..support.passwords import Passwords
from ..support.refreshing_value import RefreshingValue
from .admin_password import password_errors
from .attempts import Attempts
from .signed_out import SignedOut
from .signing_keys import SigningKeys
from .verdicts import Verdicts
from .waiting_line import WaitingLine

FIRST_USERNAME = "admin"

_BAD_USERNAME = FieldError("username", FieldErrorCode.USERNAME_FORMAT, {"max": MAX_USERNAME_CHARS})

_UNKNOWN = "unknown"
"""The actor of a failed login in the audit log: the given name proves nothing."""

_MAX_WAITING = 32
_MAX_SHARE = 4
"""Places for the slow hash: in all, and for logins from one address."""

_SECOND = timedelta(seconds=1)
_TOKENS_AHEAD = timedelta(seconds=5)
"""How far `tokens_from` may be ahead of the clock: less than the tolerance when a token is verified."""


class AdminService:
    """Administrators and their tokens. Methods may also raise QueueUnavailable."""

    def __init__(
        self,
        *,
        admins: AdminRepository,
        keys: SigningKeys,
        tokens: TokenIssuer,
        attempts: Attempts,
        passwords: Passwords,
        audit: AuditLog,
        signed_out: SignedOut,
        clock: Clock,
    ) -> None:
        self._admins = admins
        self._keys = keys
        self._signed_out = signed_out
        self._tokens = tokens
        self._attempts = attempts
        self._passwords = passwords
        self._audit = audit
        self._clock = clock
        self._known = RefreshingValue(self._read, clock, what="the administrators")
        self._verdicts = Verdicts()
        self._unconfirmed: tuple[Admin, str] | None = None
        """The first administrator and the generated password, where the reply to their storing was lost."""

        self._line = WaitingLine(size=_MAX_WAITING, share=_MAX_SHARE)

    async def login(self, username: str, password: str, *, address: str, session: bool = False) -> tuple[str, Identity]:
        """A new token and its claims; that of a browser session ends without use (`renewed`).

        InvalidCredentials (for every cause alike), TooManyAttempts.

        Wrong passwords are counted by address and not by account, so that they lock no administrator out. A right one
        is accepted also from an address whose wrong ones are refused; TooManyAttempts concerns it only where the
        waiting line for the slow hash is full.
        """
        now = self._clock.now()
        everyone = await self._read()
        admin = everyone.get(normal_username(username) or "")
        right = await self._is_right(password, admin, admin or _stand_in(username, everyone), address=address)
        if not right or admin is None or admin.disabled_at is not None:
            tried = None if admin is None else admin.username  # another text may be a password
            by = Actor(_UNKNOWN, address)
            refused = await self._attempts.failed(login_keys(address), AuditAction.LOGIN_FAILED, by, target=tried)
            raise refused or InvalidCredentials("The user name or the password is wrong.")
        self._attempts.succeeded(address)
        identity = _identity(admin, now, session=session)
        token = await self._issue(identity)
        await self._audit.append(self._entry(AuditAction.LOGIN, Actor(admin.username, address), admin.username))
        return token, identity

    async def identify(self, token: str) -> Identity:
        """The identity that a token proves. InvalidToken: forged, expired, not used for too long, signed out, or its
        administrator was disabled or has a new password."""
        secret = await self._keys.secret(self._tokens.key_id(token))
        identity = self._tokens.verify(token, secret=secret, now=self._clock.now())
        admin = (await self._known.get()).get(identity.username)
        if admin is None:
            self._known.forget()  # the signature is valid: another process may just have added the administrator
            admin = (await self._known.get()).get(identity.username)
        ended = admin is None or admin.disabled_at is not None or identity.issued_at < admin.tokens_from
        if admin is None or ended or await self._signed_out.includes(identity.token_id):
            raise InvalidToken("The access token is no longer valid; sign in again.")
        return msgspec.structs.replace(identity, permissions=allowed(identity.permissions, admin.permissions))

    async def renewed(self, identity: Identity) -> str | None:
        """The token with which a browser session goes on after this use; None if it needs no new one yet."""
        now = self._clock.now()
        if identity.idle_until is None or now < identity.idle_until - IDLE_LIMIT + RENEWED_AFTER:
            return None
        return await self._issue(msgspec.structs.replace(identity, idle_until=now + IDLE_LIMIT))

    async def sign_out(self, identity: Identity, *, everywhere: bool = False, by: Actor) -> None:
        """Revoke this token or, `everywhere`, all tokens of its administrator; other processes know within a second."""
        entry = self._entry(AuditAction.LOGOUT, by, identity.username)
        if not everywhere:
            await self._signed_out.add(identity, audit=entry)
            return

        def edit(everyone: Mapping[str, Admin]) -> tuple[Admin, AuditEntry]:
            admin = _named(identity.username, everyone)
            audited = msgspec.structs.replace(entry, detail={"everywhere": True})
            return msgspec.structs.replace(admin, tokens_from=self._after_tokens(admin)), audited

        await self._change(edit)

    async def list(self) -> list[Admin]:
        """All administrators, by name."""
        return await self._admins.all()

    async def add(
        self, username: str, password: str, *, permissions: Collection[Permission] = tuple(Permission), by: Actor
    ) -> Admin:
        """Add an administrator. AdminExists; InvalidSettings for a name or password that is not allowed."""
        admin = await self._new(username, password, permissions)
        await self._admins.add(admin, audit=self._added_entry(admin, by))
        self._known.forget()
        return admin

    async def set_password(self, username: str, password: str, *, by: Actor) -> None:
        """Set a new password and revoke existing tokens. AdminNotFound, InvalidSettings."""
        _named(username, await self._read())
        refuse(password_errors(password, username=username))
        hash, digest = await self._hash(normal_password(password))

        def edit(everyone: Mapping[str, Admin]) -> tuple[Admin, AuditEntry]:
            admin = _named(username, everyone)
            changed = msgspec.structs.replace(
                admin, password_hash=hash, password_digest=digest, tokens_from=self._after_tokens(admin)
            )
            return changed, self._entry(AuditAction.ADMIN_PASSWORD_CHANGED, by, admin.username)

        await self._change(edit)

    async def disable(self, username: str, *, by: Actor) -> None:
        """Revoke login and tokens within a second. AdminNotFound; InvalidSettings for the last administrator."""

        def edit(everyone: Mapping[str, Admin]) -> tuple[Admin, AuditEntry] | None:
            admin = _named(username, everyone)
            if admin.disabled_at is not None:
                return None
            if [name for name, one in everyone.items() if _can_do_all(one)] == [admin.username]:
                refuse([FieldError("username", FieldErrorCode.LAST_ADMINISTRATOR)])
            disabled = msgspec.structs.replace(admin, disabled_at=self._clock.now())
            return disabled, self._entry(AuditAction.ADMIN_DISABLED, by, admin.username)

        await self._change(edit)

    async def enable(self, username: str, *, by: Actor) -> None:
        """Allow logins again; old tokens stay revoked. AdminNotFound."""

        def edit(everyone: Mapping[str, Admin]) -> tuple[Admin, AuditEntry] | None:
            admin = _named(username, everyone)
            if admin.disabled_at is None:
                return None
            enabled = msgspec.structs.replace(admin, disabled_at=None, tokens_from=self._after_tokens(admin))
            return enabled, self._entry(AuditAction.ADMIN_ENABLED, by, admin.username)

        await self._change(edit)

    async def ensure_first(self, username: str | None, password: str | None) -> tuple[str, str] | None:
        """Add an administrator at the first start (named `admin` by default).

        Returns name and password if the password was generated, to be shown once, also by a call after one whose reply
        was lost; None otherwise.
        """
        if everyone := await self._admins.all():
            made, self._unconfirmed = self._unconfirmed, None
            stored = made is not None and made[0].password_hash in {admin.password_hash for admin in everyone}
            return (made[0].username, made[1]) if made is not None and stored else None
        chosen = password or secrets.token_urlsafe(12)
        admin = await self._new(username or FIRST_USERNAME, chosen, tuple(Permission))
        self._unconfirmed = None if password else (admin, chosen)
        added = await self._admins.add_first(admin, audit=self._added_entry(admin, FIRST_START))
        self._unconfirmed = None
        self._known.forget()
        return (admin.username, chosen) if added and not password else None

    async def _issue(self, identity: Identity) -> str:
        key_id, secret = await self._keys.current()
        return self._tokens.issue(identity, key_id=key_id, secret=secret)

    async def _is_right(self, password: str, admin: Admin | None, checked: Admin | None, *, address: str) -> bool:
        """Verify in the same way for every user name, so that the time does not reveal which ones exist.

        `checked` is the administrator whose digest and hash are used: another one's if the user does not exist. The
        digest sorts out nearly all wrong passwords; the slow hash decides on the rest.
        """
        # Composing (NFC) shortens a text at most by this factor; a megabyte is not normalised completely.
        candidate = normal_password(password[: 4 * MAX_PASSWORD_CHARS])
        shortened = candidate[:MAX_PASSWORD_CHARS]
        if checked is None:  # there is no administrator at all
            return False
        hash = checked.password_hash
        likely = await self._passwords.check(shortened, hash, checked.password_digest)
        if likely is False or self._verdicts.of(shortened, hash) is False:
            return False
        async with self._line.turn(address, preferred=self._attempts.is_known(address)):
            if self._verdicts.of(shortened, hash) is False:
                return False
            if not await self._passwords.verify(shortened, hash):
                self._verdicts.note_wrong(shortened, hash)
                return False
            if admin is None or shortened != candidate:
                return False
            if likely is None or self._passwords.is_outdated(hash):
                await self._renew(admin, shortened)
            return True

    async def _renew(self, admin: Admin, password: str) -> None:
        """Store a digest, and today's slow hash in place of an outdated one, unless the password was changed."""
        hash = admin.password_hash
        if self._passwords.is_outdated(hash):
            hash = await self._passwords.hash(password)
        digest = await self._passwords.digest(password, hash, size_bytes=ADMIN_DIGEST_BYTES)
        if (hash, digest) != (admin.password_hash, admin.password_digest):
            await self._admins.renew_hash(admin.username, hash=hash, digest=digest, expected_hash=admin.password_hash)

    async def _hash(self, password: str) -> tuple[str, str | None]:
        """The slow hash and the digest of a new password."""
        hash = await self._passwords.hash(password)
        return hash, await self._passwords.digest(password, hash, size_bytes=ADMIN_DIGEST_BYTES)

    async def _new(self, username: str, password: str, permissions: Collection[Permission]) -> Admin:
        name = normal_username(username)
        password = normal_password(password)
        errors: list[FieldError] = []
        if name is None:
            errors.append(_BAD_USERNAME)
        refuse(errors + password_errors(password, username=username))
        now = self._clock.now()
        hash, digest = await self._hash(password)
        return Admin(
            username=name or "",
            password_hash=hash,
            password_digest=digest,
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
        """A time after every token issued so far. Tokens have whole seconds only: it is the next second, and tokens
        issued before it carry it as their time of issue."""
        next_second = self._clock.now().replace(microsecond=0) + _SECOND
        if next_second <= admin.tokens_from <= next_second + _TOKENS_AHEAD:
            return admin.tokens_from + _SECOND
        return next_second

    def _added_entry(self, admin: Admin, by: Actor) -> AuditEntry:
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
        raise AdminNotFound("Administrator not found.")
    return admin


def _stand_in(username: str, everyone: Mapping[str, Admin]) -> Admin | None:
    """The administrator whose hash is verified for an unknown user name; None if there is no administrator.

    Hashes with older parameters take a different time than new ones. Unknown names are therefore spread over the known
    ones by a secret that all processes share: such a name always takes the time of the same known name.
    """
    known = sorted(everyone)
    if not known:
        return None
    secret = everyone[known[0]].password_hash.encode()
    place = hmac.digest(secret, username.strip().lower().encode("utf-8", "surrogatepass")[:1024], "sha256")
    return everyone[known[int.from_bytes(place) % len(known)]]


def _identity(admin: Admin, now: datetime, *, session: bool) -> Identity:
    """The claims of a token issued now."""
    issued_at = max(now.replace(microsecond=0), admin.tokens_from)
    return Identity(
        username=admin.username,
        permissions=frozenset(admin.permissions),
        issued_at=issued_at,
        expires_at=issued_at + TOKEN_LIFE,
        token_id=str(new_id(now)),
        idle_until=issued_at + IDLE_LIMIT if session else None,
    )


def _can_do_all(admin: Admin) -> bool:
    return admin.disabled_at is None and set(admin.permissions) == set(Permission)
