"""What must work before the service takes photos, as named checks that `/readyz` and `doctor` run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import msgspec

Check = Callable[[], Awaitable[None]]
"""Returns when the part works; raises a PhotoChangerError that says what is wrong."""


class Readiness(msgspec.Struct, frozen=True):
    """The checks by the name of the part: database, schema, store, worker."""

    checks: Mapping[str, Check]
