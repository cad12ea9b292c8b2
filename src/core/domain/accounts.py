"""People: administrators, what they may do, who a request comes from, and how often wrong passwords may be tried."""

from __future__ import annotations

import enum
import ipaddress
import math
import re
import unicodedata
from collections.abc import Collection
from datetime import datetime, timedelta

import msgspec

MIN_PASSWORD_CHARS = 8
MAX_PASSWORD_CHARS = 1024
MAX_FAILURES = 10
WINDOW = timedelta(seconds=60)
"""So many wrong passwords within this window, then nothing more until the window has passed."""

TOKEN_LIFE = timedelta(hours=12)
"""How long a token holds: an evening and the day before it."""

_USERNAME = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}\Z")


class Permission(enum.StrEnum):
    """What an administrator may do; each route of the administration API asks for one."""

    SLOTS_READ = "slots:read"
    SLOTS_WRITE = "slots:write"
    SETTINGS_READ = "settings:read"
    SETTINGS_WRITE = "settings:write"
    MEDIA_READ = "media:read"
    MEDIA_WRITE = "media:write"
    JOBS_READ = "jobs:read"
    JOBS_WRITE = "jobs:write"
    STATS_READ = "stats:read"


class Admin(msgspec.Struct, frozen=True, kw_only=True):
    """An administrator. Tokens issued before `tokens_from` hold no more."""

    username: str
    password_hash: str
    permissions: tuple[Permission, ...] = tuple(Permission)
    created_at: datetime
    tokens_from: datetime
    disabled_at: datetime | None = None

    def __repr__(self) -> str:
        return f"Admin({self.username})"


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Who a token speaks for, what that allows, and until when."""

    username: str
    permissions: frozenset[Permission]
    issued_at: datetime
    expires_at: datetime
    token_id: str


class Actor(msgspec.Struct, frozen=True):
    """Who changes something, and from which address where it came over the network."""

    name: str
    address: str | None = None


COMMAND_LINE = Actor("command line")
"""Whoever has a shell on the machine."""

FIRST_START = Actor("first start")


def normal_username(text: str) -> str | None:
    """The name as it is kept: small letters, digits and `._@-`, 1 to 64 of them; None for what is no name."""
    name = text.strip().lower()
    return name if _USERNAME.match(name) else None


def normal_password(text: str) -> str:
    """The same password however a keyboard composed its letters (NFC, as RFC 8265 has it)."""
    return unicodedata.normalize("NFC", text)


def is_password(text: str) -> bool:
    """Whether a password may be set: long enough to be one, short enough to be hashed."""
    return MIN_PASSWORD_CHARS <= len(text) <= MAX_PASSWORD_CHARS


def address_key(address: str) -> str:
    """What wrong passwords of logins from an address are counted under."""
    return f"address {_counted(address)}"


def camera_key(address: str) -> str:
    """What wrong ingest passwords from an address are counted under.

    By itself: cameras and people often share an address. Somebody who mistypes their own password must not stop the
    cameras, and a camera's right password must not let whoever is behind it guess at logins without end.
    """
    return f"camera {_counted(address)}"


def account_key(username: str) -> str:
    """What wrong passwords of an account are counted under."""
    return f"account {(normal_username(username) or username)[:64]}"


def seconds_left(until: datetime, now: datetime) -> int:
    """Whole seconds for a Retry-After, one at least."""
    return max(math.ceil((until - now).total_seconds()), 1)


def allowed(claimed: Collection[str], held: Collection[Permission]) -> frozenset[Permission]:
    """What a token may do: what it says, as far as its administrator still holds it."""
    return frozenset(permission for permission in held if permission in claimed)


def _counted(address: str) -> str:
    """The address as far as it tells hosts apart: an IPv6 host has its whole /64 to itself."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
