"""One result of a check: what was examined, what was found, how to fix it."""

from __future__ import annotations

import msgspec


class Finding(msgspec.Struct, frozen=True):
    """What was seen of one part; `mend` says what to do, None where all is well."""

    part: str
    says: str
    mend: str | None = None
