"""Administrators: accounts, logins, and the validity of tokens."""

from __future__ import annotations

import hmac
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import msgspec

from ...domain.accounts import (
    ADMIN_DIGEST_BYTES,
    FIRST_START,
    IDLE_LIMIT,
    MAX_PASSWORD_CHARS,
    MAX_USERNAME_CHARS,
    RENEWED_AFTER,
    ROLES,
    TOKEN_LIFE,
    Actor,
    Admin,
    Identity,
    Permission,
    Role,
    allowed,
    login_keys,
    normal_password,
    normal_username,
)
from ...domain.audit import AuditAction, AuditEntry, audit_entry
from ...domain.errors import InvalidCredentials, InvalidSettings, InvalidToken
from ...domain.field_errors import FieldError, FieldErrorCode
from ...domain.ids import new_id
from ...domain.validation import refuse
from ...ports.accounts import AdminEdit, AdminRepository, TokenIssuer
from ...ports.clock import Clock
from ..support.passwords import Passwords
from ..support.refreshing_value import RefreshingValue
from .admin_changes import AdminChange, PasswordHash, after_tokens, edit_of, named
from .admin_password import generated_password, password_errors
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
        signed_out: SignedOut,
        clock: Clock,
    ) -> None:
        self._admins = admins
        self._keys = keys
        self._signed_out = signed_out
        self._tokens = tokens
        self._attempts = attempts
        self._passwords = passwords
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
        entry = self._entry(AuditAction.LOGIN, Actor(admin.username, address), admin.username)
        await self._admins.note_login(admin.username, at=now, audit=entry)
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
        valid = _require_valid(identity, admin)
        if await self._signed_out.includes(identity.token_id):
            raise _ended()
        return msgspec.structs.replace(identity, permissions=allowed(identity, valid.permissions))

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

        def edit(everyone: Mapping[str, Admin]) -> tuple[Admin, Sequence[AuditEntry]]:
            admin = named(identity.username, everyone)
            audited = msgspec.structs.replace(entry, detail={"everywhere": True})
            return msgspec.structs.replace(admin, tokens_from=after_tokens(admin, now=self._clock.now())), [audited]

        await self._change(identity.username, edit)

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

    async def add_generated(self, username: str, role: Role, *, by: Actor) -> tuple[Admin, str]:
        """Add an administrator with a role; returns the generated password too. AdminExists, InvalidSettings."""
        password = generated_password()
        return await self.add(username, password, permissions=ROLES[role], by=by), password

    async def set_password(self, username: str, password: str, *, by: Actor) -> None:
        """Set a new password and revoke existing tokens. AdminNotFound, InvalidSettings."""
        named(username, await self._read())
        refuse(password_errors(password, username=username))
        await self.change(username, AdminChange(password=await self._hash(normal_password(password))), by=by)

    async def reset_password(self, username: str, change: AdminChange, *, by: Actor) -> tuple[Admin, str]:
        """Make a change and set a generated password with it, which is returned; existing tokens are revoked.

        AdminNotFound, InvalidSettings.
        """
        named(username, await self._read())
        password = generated_password()
        change = msgspec.structs.replace(change, password=await self._hash(password))
        return await self.change(username, change, by=by), password

    async def change(self, username: str, change: AdminChange, *, by: Actor) -> Admin:
        """Make all of a change or nothing; existing tokens follow within a second. Enabling keeps old tokens revoked.

        AdminNotFound; InvalidSettings if no enabled owner would be left.
        """
        return await self._change(username, edit_of(username, change, by=by, clock=self._clock))

    async def disable(self, username: str, *, by: Actor) -> None:
        """Revoke login and tokens within a second. AdminNotFound; InvalidSettings for the last owner."""
        await self.change(username, AdminChange(disabled=True), by=by)

    async def enable(self, username: str, *, by: Actor) -> None:
        """Allow logins again; old tokens stay revoked. AdminNotFound."""
        await self.change(username, AdminChange(disabled=False), by=by)

    async def change_own_password(
        self, identity: Identity, *, current: str, new: str, by: Actor
    ) -> tuple[str, Identity]:
        """Set the caller's new password and revoke all their tokens; returns a token and its claims to go on with.

        InvalidSettings for a wrong current password or a new one that is not allowed; TooManyAttempts; InvalidToken if
        the caller's token was revoked meanwhile.
        """
        refuse(password_errors(new, username=identity.username, field="new_password"))
        address, admin = by.address or "", named(identity.username, await self._read())
        if not await self._is_right(current, admin, admin, address=address):
            refused = await self._attempts.failed(
                login_keys(address), AuditAction.LOGIN_FAILED, by, target=admin.username
            )
            raise refused or InvalidSettings([FieldError("current_password", FieldErrorCode.PASSWORD_WRONG)])
        change = AdminChange(password=await self._hash(normal_password(new)))
        change_password = edit_of(admin.username, change, by=by, clock=self._clock)

        def edit(everyone: Mapping[str, Admin]) -> tuple[Admin, Sequence[AuditEntry]] | None:
            _require_valid(identity, everyone.get(identity.username))
            return change_password(everyone)

        changed = await self._change(admin.username, edit)
        renewed = _identity(changed, self._clock.now(), session=identity.idle_until is not None)
        return await self._issue(renewed), renewed

    async def ensure_first(self, username: str | None, password: str | None) -> tuple[str, str] | None:
        """Add an administrator at the first start (named `admin` by default).

        Returns name and password if the password was generated, to be shown once, also by a call after one whose reply
        was lost; None otherwise.
        """
        if everyone := await self._admins.all():
            made, self._unconfirmed = self._unconfirmed, None
            stored = made is not None and made[0].password_hash in {admin.password_hash for admin in everyone}
            return (made[0].username, made[1]) if made is not None and stored else None
        chosen = password or generated_password()
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

    async def _hash(self, password: str) -> PasswordHash:
        hash = await self._passwords.hash(password)
        return PasswordHash(hash, await self._passwords.digest(password, hash, size_bytes=ADMIN_DIGEST_BYTES))

    async def _new(self, username: str, password: str, permissions: Collection[Permission]) -> Admin:
        name = normal_username(username)
        password = normal_password(password)
        errors: list[FieldError] = []
        if name is None:
            errors.append(_BAD_USERNAME)
        refuse(errors + password_errors(password, username=username))
        now = self._clock.now()
        hashed = await self._hash(password)
        return Admin(
            username=name or "",
            password_hash=hashed.hash,
            password_digest=hashed.digest,
            permissions=tuple(permission for permission in Permission if permission in permissions),
            created_at=now,
            tokens_from=now.replace(microsecond=0),
        )

    async def _change(self, username: str, edit: AdminEdit) -> Admin:
        """The administrator after an edit."""
        result: list[Admin] = []

        def keep(everyone: Mapping[str, Admin]) -> tuple[Admin, Sequence[AuditEntry]] | None:
            edited = edit(everyone)
            result[:] = [named(username, everyone) if edited is None else edited[0]]
            return edited

        await self._admins.change(keep)
        self._known.forget()
        return result[0]

    async def _read(self) -> dict[str, Admin]:
        return {admin.username: admin for admin in await self._admins.all()}

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


def _require_valid(identity: Identity, admin: Admin | None) -> Admin:
    """The administrator of a token that was not revoked with all their tokens. InvalidToken."""
    if admin is None or admin.disabled_at is not None or identity.issued_at < admin.tokens_from:
        raise _ended()
    return admin


def _ended() -> InvalidToken:
    return InvalidToken("The access token is no longer valid; sign in again.")


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
        follows_admin=True,
    )
