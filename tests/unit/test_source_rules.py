"""Rules of the source that no linter knows."""

from __future__ import annotations

import re
from pathlib import Path

import photochanger
import pytest

SOURCE = Path(photochanger.__file__).parent


@pytest.mark.parametrize(
    ("forbidden", "only_in"),
    [
        (r"datetime\.(now|utcnow|today)\(|time\.(time|monotonic)(_ns)?\(", "adapters/system_clock.py"),
        (r"(asyncio|loop)\.(create_task|ensure_future)\(", "core/services/support/concurrency.py"),
        # A pattern has a name: by that it is tried with hostile texts (test_hostile_text.py).
        (
            r"\bre\.(match|search|sub|findall|finditer|fullmatch|split)\(",
            "adapters/postgres/migrations/versions/0001_schema.py",
        ),
    ],
    ids=["the machine's clock", "tasks", "patterns without a name"],
)
def test_code_stays_where_it_belongs(forbidden: str, only_in: str) -> None:
    found = {
        str(path.relative_to(SOURCE))
        for path in SOURCE.rglob("*.py")
        if re.search(forbidden, path.read_text(encoding="utf-8"))
    }
    assert found == {only_in}
