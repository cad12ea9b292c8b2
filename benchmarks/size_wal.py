"""What a photo costs in write-ahead log: a real service, and cameras on many slots.

With `gemini` (a paid call), a prompt of 2,000 characters, a fallback and a guest's answers; and with a local operation
alone. The pages that are logged whole after a checkpoint are counted apart: their number depends on how often that is,
not on the number of photos.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import msgspec
import psycopg
from photochanger.adapters.postgres import Database, EmbeddedServer, PostgresStatsService, migrate
from photochanger.adapters.postgres.embedded.programs import find_programs
from photochanger.core.domain.slots.slot import Route, RouteEntry
from psycopg.types.json import Jsonb

from tests.support import photos
from tests.support.long_prompt import LONG_PROMPT
from tests.support.service import serving

from .processes import PASSWORD, process

SLOTS = 60
CAMERAS = 8
_WARM_UP = 60
_SCENARIOS = {
    "gemini with a fallback and answers": (
        Route(
            entries=(
                RouteEntry("gemini", "image_edit", {"prompt": LONG_PROMPT}),
                RouteEntry("local", "stylize", {"look": "oil"}),
            ),
            prompt_fields=("guest",),
        ),
        {"password": PASSWORD, "guest": "Ada Lovelace", "email": "ada@example.org", "table": "12"},
    ),
    "local": (Route(entries=(RouteEntry("local", "enhance"),)), {"password": PASSWORD}),
}

_RECORD = re.compile(r"rmgr: (\S+)\s+len \(rec/tot\):\s+(\d+)/\s*(\d+), .*?desc: (\S+)(?:.*?rel \d+/\d+/(\d+))?")

_RELATIONS = """
select coalesce(main.relname || ' (toast)', own.relname), pg_relation_filenode(own.oid)
from pg_class as own left join pg_class as main on main.reltoastrelid = own.oid
where pg_relation_filenode(own.oid) is not null
"""


def measure(folder: Path, *, photos_sent: int = 200) -> dict[str, Any]:
    """Bytes of write-ahead log for each photo, until its statistics have been added to the sums."""
    server = EmbeddedServer.start(folder / "postgres")
    try:
        server.ensure_database("wal")
        url = server.url("wal")
        migrate(url)
        with process("gemini", {"BENCH_ANSWER_SECONDS": "0.05"}) as (port, _):
            settings: dict[str, Any] = {
                "database_url": url,
                "ingest_password": PASSWORD,
                "workers": str(CAMERAS),
                "slot_count": str(SLOTS),
                "gemini_base_url": f"http://127.0.0.1:{port}",
                "gemini_api_key": "a-key-of-the-stand-in-of-gemini",
                "private_hosts": "127.0.0.1",
            }
            with serving(folder / "home", **settings) as service, psycopg.connect(url, autocommit=True) as connection:
                # What it writes is shared by all photos of the minute; with the few of this measurement it is a fifth.
                connection.execute("alter system set autovacuum = off")
                connection.execute("select pg_reload_conf()")
                found = {}
                for name, (route, form) in _SCENARIOS.items():
                    changed = (Jsonb(msgspec.to_builtins(route)),)
                    connection.execute("update photochanger.slots set active = true, route = %s", changed)
                    work = partial(_send, service.address, form)
                    work(_WARM_UP)
                    found[name] = _measured(connection, url, folder, work, photos_sent)
                return found
    finally:
        server.close()


def _send(address: str, form: dict[str, str], count: int) -> None:
    """Send so many photos, each to the next slot."""
    photo = photos.jpeg(640, 480)

    def send(number: int) -> int:
        with httpx.Client(base_url=address, timeout=120) as client:
            slot = f"slot-{1 + number % SLOTS:03d}"
            return client.post(f"/ingest/{slot}", data=form, files={"fileToUpload": photo}).status_code

    with ThreadPoolExecutor(CAMERAS) as cameras:
        statuses = Counter(cameras.map(send, range(count)))
    assert statuses == {200: count}, statuses


def _measured(
    connection: psycopg.Connection[Any], url: str, folder: Path, work: Callable[[int], None], count: int
) -> dict[str, Any]:
    _fold(url)
    connection.execute("checkpoint")
    start = _position(connection)
    started = time.perf_counter()
    work(count)
    took = time.perf_counter() - started
    sent = _position(connection)
    _fold(url)
    end = _position(connection)
    names = {str(node): name for name, node in connection.execute(_RELATIONS)}
    by_kind, whole = _records(folder, start, end, names)
    return {
        "photos": count,
        "photos_per_s": round(count / took, 1),
        "bytes_a_photo": round(sum(by_kind.values()) / count),
        "whole_pages_a_photo": round(whole / count),
        "of_it_folding": round(_distance(connection, sent, end) / count),
        "largest": {kind: round(size / count) for kind, size in by_kind.most_common(24)},
    }


def _fold(url: str) -> None:
    """Add every ended job to the sums of statistics at once, as the sweeper does once a minute."""

    async def fold() -> None:
        async with Database(url) as database:
            stats = PostgresStatsService(database)
            while await stats.fold(before=datetime.now(UTC), limit=5000):
                pass

    asyncio.run(fold())


def _position(connection: psycopg.Connection[Any]) -> str:
    row = connection.execute("select pg_current_wal_insert_lsn()::text").fetchone()
    assert row is not None
    return str(row[0])


def _distance(connection: psycopg.Connection[Any], start: str, end: str) -> int:
    row = connection.execute("select %s::pg_lsn - %s::pg_lsn", (end, start)).fetchone()
    assert row is not None
    return int(row[0])


def _records(folder: Path, start: str, end: str, names: dict[str, str]) -> tuple[Counter[str], int]:
    """Bytes of records by kind and relation, and those of pages that were logged whole."""
    program = find_programs(shared=False) / "pg_waldump"
    logs = next((folder / "postgres").glob("**/pg_wal"))
    printed = subprocess.run([program, "-p", logs, "-s", start, "-e", end], capture_output=True, text=True, check=False)
    sizes: Counter[str] = Counter()
    whole = 0
    for line in printed.stdout.splitlines():
        if (found := _RECORD.match(line)) is None:
            continue
        manager, record, total, what, node = found.groups()
        sizes[f"{manager} {what} {names.get(node, '')}".strip()] += int(record)
        whole += int(total) - int(record)
    assert sizes, printed.stderr[-500:]
    return sizes, whole
