"""Ingest keys: one for each booth, instead of the ingest password that all of them share.

A key is random, so a plain digest of it is enough: a key cannot be guessed from its digest, and is checked in no time.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from datetime import datetime
from uuid import UUID

import msgspec

KEY_PREFIX = "pck_"
MAX_NAME_CHARS = 100
MAX_KEYS = 1_000

BOOTH_FIELD = "booth"
"""The metadata field of a job that names its booth."""

_RANDOM_BYTES = 20
_KEY = re.compile(r"pck_[a-z2-7]{32}\Z")


class KeyUse(msgspec.Struct, frozen=True, kw_only=True):
    """The last request with a key."""

    at: datetime
    slot_id: str
    address: str


class IngestKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key without its secret. `name` is the booth's and unique; `digest` is that of the key."""

    id: UUID
    name: str
    digest: str
    created_at: datetime
    created_by: str
    last_use: KeyUse | None = None


def new_key() -> str:
    """Return a new key of 160 random bits; it fits into an address."""
    return KEY_PREFIX + base64.b32encode(secrets.token_bytes(_RANDOM_BYTES)).decode().lower()


def is_key_like(text: str) -> bool:
    """Whether a text has the form of a key."""
    return _KEY.match(text) is not None


def digest_of(key: str) -> str:
    """Return the SHA-256 of a key, in hexadecimal."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
