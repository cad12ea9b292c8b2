"""One result of a check: what was examined, what was found, how to fix it."""

from __future__ import annotations

import msgspec


class Finding(msgspec.Struct, frozen=True):
    """The state of one part; `fix` says what to do, None if nothing is wrong."""

    part: str
    says: str
    fix: str | None = msgspec.field(default=None, name="mend")
