"""`GET /api/overview` with many slots on an evening with a photo every 60 ms, while jobs go on ending."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
from photochanger.adapters.postgres import EmbeddedServer, migrate

from tests.support.hot_statements import fill
from tests.support.service import serving

from .ingest import percentiles
from .processes import PASSWORD

_EVERY = timedelta(milliseconds=60)
_EVENING = timedelta(hours=3)
_POLL_SECONDS = 0.2
_ADMIN = {"username": "admin", "password": "a long admin password"}

# One more end of a job, as between two readings of a page that is open in an evening.
_END = """
insert into photochanger.jobs (id, slot_id, source, state, created_at, expires_at, route_id, route_provider, photo,
    payload_key, sha256, access_token, metadata, attempt, acquired_at, finalized_at, provider_id, operation_id, result,
    result_stem, result_expires_at)
select gen_random_uuid(), slot_id, source, 'succeeded', now() - interval '5 s', now() + interval '43 s', route_id,
    route_provider, photo, gen_random_uuid()::text, sha256, access_token, metadata, 1, now(), now(), 'local', 'enhance',
    result, gen_random_uuid()::text, now() + interval '72 h'
from photochanger.jobs where result is not null order by created_at desc limit 10
"""

# As in an evening: the quarter hours that have ended are summed up within a minute.
_NOT_SUMMED_UP = """
select count(*) from photochanger.stats_ended where at < date_bin('15 min', now() - interval '1 min', 'epoch')
"""

_STATISTICS = """
insert into photochanger.stats_ended (slot_id, at, provider_id, outcome, latency_ms)
select slot_id, finalized_at, provider_id, case when result is null then 'provider_errors' else 'success' end, 2000
from photochanger.jobs
"""


def measure(folder: Path, *, slots: int, readings: int = 60) -> dict[str, Any]:
    """Milliseconds that a client waits, and those of processor time in the service, for each reading."""
    with (
        _service(folder, slots) as (address, url, process),
        httpx.Client(base_url=address, timeout=120) as client,
        psycopg.connect(url, autocommit=True) as connection,
    ):
        token = client.post("/api/login", json=_ADMIN).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        waited: list[float] = []
        before = 0.0
        for number in range(-5, readings):
            connection.execute(_END)
            if number == 0:
                before = _processor_seconds(process)
            started = time.perf_counter()
            answer = client.get("/api/overview")
            if number >= 0:
                waited.append((time.perf_counter() - started) * 1000)
            assert len(answer.json()["items"]) == slots, answer.text[:500]
        used = (_processor_seconds(process) - before) / readings
    return {
        "slots": slots,
        "jobs": _EVENING // _EVERY,
        "ms": percentiles(waited),
        "processor_ms": round(used * 1000, 1),
        "kilobytes": len(answer.content) // 1000,
    }


def _processor_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


@contextmanager
def _service(folder: Path, slots: int) -> Iterator[tuple[str, str, psutil.Process]]:
    server = EmbeddedServer.start(folder / "postgres")
    try:
        server.ensure_database("overview")
        url = server.url("overview")
        migrate(url)
        with psycopg.connect(url, autocommit=True) as connection:
            fill(connection, _EVENING // _EVERY, every=_EVERY, slots=slots)
            connection.execute(_STATISTICS)
            connection.execute("vacuum analyze")
        settings: dict[str, Any] = {
            "database_url": url,
            "ingest_password": PASSWORD,
            "admin_password": _ADMIN["password"],
            "slot_count": str(slots),
            "workers": "0",
        }
        with serving(folder / "home", **settings) as service:
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(
                    "update photochanger.slots set active = true, "
                    "route = (select route from photochanger.slots where id = 'slot-001')"
                )
                while connection.execute(_NOT_SUMMED_UP).fetchone() != (0,):
                    time.sleep(_POLL_SECONDS)
            yield service.address, url, psutil.Process(service.process.pid)
    finally:
        server.close()
