"""Administrators, their permissions, the actor of a change, and the limits of wrong passwords."""

from __future__ import annotations

import enum
import ipaddress
import math
import re
import unicodedata
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

import msgspec

from .stored_values import StoredEnum

MAX_USERNAME_CHARS = 64
MIN_PASSWORD_CHARS = 8
MIN_ADMIN_PASSWORD_CHARS = 10
MAX_PASSWORD_CHARS = 1024
MAX_FAILURES = 10
MAX_SITE_FAILURES = 50
WINDOW = timedelta(seconds=60)
"""After MAX_FAILURES wrong passwords from a host (MAX_SITE_FAILURES from an IPv6 /48) within this window, further wrong
ones are answered 429 until it has passed. A right password is never refused."""

ADMIN_DIGEST_BYTES = 1
INGEST_DIGEST_BYTES = 32
"""Lengths of the keyed digests of passwords. A person's password may be in use elsewhere: its digest is only long
enough to sort out 255 of 256 wrong ones, so that a thief with database and secret key still needs the slow hash."""

TOKEN_LIFE = timedelta(hours=12)
"""Lifetime of a token: an evening and the day before it."""

IDLE_LIMIT = timedelta(hours=2)
"""A browser session ends after this time without use."""

RENEWED_AFTER = timedelta(minutes=1)
"""A session is renewed by the first use after this time: its end is exact to a minute without a write per request."""

_USERNAME = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}\Z")


class Permission(StoredEnum):
    """A permission of an administrator; each route of the administration API requires one."""

    SLOTS_READ = "slots:read"
    SLOTS_WRITE = "slots:write"
    SETTINGS_READ = "settings:read"
    SETTINGS_WRITE = "settings:write"
    MEDIA_READ = "media:read"
    MEDIA_WRITE = "media:write"
    JOBS_READ = "jobs:read"
    JOBS_WRITE = "jobs:write"
    STATS_READ = "stats:read"
    ADMINS_READ = "admins:read"
    ADMINS_WRITE = "admins:write"


class Role(enum.StrEnum):
    """A named set of permissions.

    Attributes:
        OWNER: everything, also administrators and settings.
        OPERATOR: everything an evening needs: slots, templates, jobs, statistics; settings are read only.
        VIEWER: reads what an operator reads, and changes nothing.
    """

    OWNER = "owner"
    OPERATOR = "operator"
    VIEWER = "viewer"


_OWNERS_ONLY = frozenset({Permission.ADMINS_READ, Permission.ADMINS_WRITE, Permission.SETTINGS_WRITE})

ROLES: Mapping[Role, tuple[Permission, ...]] = {
    Role.OWNER: tuple(Permission),
    Role.OPERATOR: tuple(one for one in Permission if one not in _OWNERS_ONLY),
    Role.VIEWER: tuple(one for one in Permission if one not in _OWNERS_ONLY and one.endswith(":read")),
}
"""The permissions of each role."""


class Admin(msgspec.Struct, frozen=True, kw_only=True):
    """An administrator. Tokens issued before `tokens_from` are revoked."""

    username: str
    password_hash: str
    password_digest: str | None = None
    permissions: tuple[Permission, ...] = tuple(Permission)
    created_at: datetime
    tokens_from: datetime
    disabled_at: datetime | None = None
    last_login_at: datetime | None = None

    def __repr__(self) -> str:
        return f"Admin({self.username})"


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """The claims of a token: user, permissions, expiry.

    A browser session is a token that is issued again while it is used: `token_id`, `issued_at` and `expires_at` stay,
    `idle_until` moves. Other tokens have no `idle_until`. One that `follows_admin` has the permissions that its
    administrator has at the time of each use, others at most those that they name.
    """

    username: str
    permissions: frozenset[Permission]
    issued_at: datetime
    expires_at: datetime
    token_id: str
    idle_until: datetime | None = None
    follows_admin: bool = False

    @property
    def valid_until(self) -> datetime:
        """When this token ends: by its expiry or, for a session, without further use."""
        return self.expires_at if self.idle_until is None else min(self.expires_at, self.idle_until)


class Revocations(msgspec.Struct, frozen=True):
    """Revoked tokens: the expiry by token id, and until when (database time) they are complete."""

    expiries: Mapping[str, datetime]
    as_of: datetime


class Actor(msgspec.Struct, frozen=True):
    """The author of a change, with the network address if it came over HTTP."""

    name: str
    address: str | None = None


COMMAND_LINE = Actor("command line")
"""A person with a shell on the machine."""

FIRST_START = Actor("first start")


def normal_username(text: str) -> str | None:
    """The name in its stored form: 1 to 64 small letters, digits and `._@-`; None if the text is not a user name."""
    name = text.strip().lower()
    return name if len(text) <= MAX_USERNAME_CHARS and _USERNAME.match(name) else None


def normal_password(text: str) -> str:
    """The password in NFC (RFC 8265), so that it does not depend on how a keyboard composes letters."""
    return unicodedata.normalize("NFC", text)


def is_password(text: str) -> bool:
    """Whether a password has an allowed length."""
    return MIN_PASSWORD_CHARS <= len(text) <= MAX_PASSWORD_CHARS


def login_keys(address: str) -> tuple[str, ...]:
    """The throttle keys of failed logins from an address: its host, and the /48 of an IPv6 address."""
    return tuple(f"address {part}" for part in _parts(address))


def camera_keys(address: str) -> tuple[str, ...]:
    """The throttle keys of wrong ingest passwords from an address, separate from those of logins: cameras and people
    often share an address."""
    return tuple(f"camera {part}" for part in _parts(address))


def max_failures(key: str) -> int:
    """How many failures block a throttle key."""
    return MAX_SITE_FAILURES if key.endswith(SITE_SUFFIX) else MAX_FAILURES


def seconds_left(until: datetime, now: datetime) -> int:
    """Whole seconds for a Retry-After, at least one."""
    return max(math.ceil((until - now).total_seconds()), 1)


def allowed(identity: Identity, held: Collection[Permission]) -> frozenset[Permission]:
    """The permissions of a token whose administrator now holds these."""
    return frozenset(held) if identity.follows_admin else identity.permissions & frozenset(held)


def role_of(permissions: Collection[Permission]) -> Role | None:
    """The role with exactly these permissions, those of newer versions aside; None if there is none."""
    known = {permission for permission in permissions if permission.known}
    return next((role for role, held in ROLES.items() if set(held) == known), None)


def host_part(address: str) -> str:
    """The part of an address that identifies a host: the /64 of an IPv6 address."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


SITE_SUFFIX = "/48"


def site_part(address: str) -> str:
    """The part of an address that identifies a site: the /48 of an IPv6 address, which one customer usually has."""
    host = host_part(address)
    if not host.endswith("/64"):
        return host
    try:
        return str(ipaddress.ip_network(host).supernet(new_prefix=48))
    except ValueError:
        return host


def _parts(address: str) -> tuple[str, ...]:
    host, site = host_part(address), site_part(address)
    return (host,) if host == site else (host, site)
