"""One result of a check: what was examined, what was found, how to fix it."""

from __future__ import annotations

import enum
from typing import Any

import msgspec


class FindingCode(enum.StrEnum):
    """What was found, for texts in other languages; the words are those of the findings."""

    ADMINISTRATORS_ACTIVE = "administrators_active"
    ADMINISTRATORS_NONE = "administrators_none"
    CLOCK_AHEAD = "clock_ahead"
    CLOCK_BEHIND = "clock_behind"
    CLOCK_RIGHT = "clock_right"
    DISK_FREE = "disk_free"
    DISK_FULL = "disk_full"
    DISK_LOW = "disk_low"
    DISK_UNKNOWN = "disk_unknown"
    DISK_UNREADABLE = "disk_unreadable"
    INGEST_PASSWORD_SET = "ingest_password_set"
    INGEST_PASSWORD_UNSET = "ingest_password_unset"
    KEYS_UNKNOWN = "keys_unknown"
    KEY_MISSING = "key_missing"
    KEY_UNREADABLE = "key_unreadable"
    OPEN_FILES = "open_files"
    OPEN_FILES_FEW = "open_files_few"
    PLUGIN_SKIPPED = "plugin_skipped"
    SECRET_KEY_DIFFERS = "secret_key_differs"
    SECRET_KEY_KEPT = "secret_key_kept"
    SECRET_KEY_OPEN = "secret_key_open"
    SECRET_KEY_SHARED = "secret_key_shared"
    SIGNING_KEYS_BROKEN = "signing_keys_broken"
    SIGNING_KEYS_GOOD = "signing_keys_good"
    SIGNING_KEYS_NONE = "signing_keys_none"
    SIGNING_KEYS_UNREADABLE = "signing_keys_unreadable"
    SLOT_CRASHED = "slot_crashed"
    SLOT_INVALID = "slot_invalid"
    SLOT_NEEDS_PUBLIC_URL = "slot_needs_public_url"
    SLOT_READY = "slot_ready"
    SLOT_ROUTE_EMPTY = "slot_route_empty"
    SLOT_UNUSABLE = "slot_unusable"
    WEBHOOKS_DEAD = "webhooks_dead"
    WEBHOOKS_GOOD = "webhooks_good"
    WORKERS_NONE = "workers_none"
    WORKERS_SILENT = "workers_silent"
    WORKERS_WORKING = "workers_working"


class Finding(msgspec.Struct, frozen=True):
    """The state of one part; `fix` says what to do, None if nothing is wrong.

    `code` and `params` say the same for other languages; None for findings of the command line only.
    """

    part: str
    says: str
    fix: str | None = None
    code: FindingCode | None = None
    params: dict[str, Any] = {}

    def coded(self, code: FindingCode, **params: Any) -> Finding:
        """The same finding with its code."""
        return msgspec.structs.replace(self, code=code, params=params)
