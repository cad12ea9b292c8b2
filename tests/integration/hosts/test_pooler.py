"""A whole service whose database is behind PgBouncer in transaction mode, in a pool smaller than it has connections."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from photochanger.adapters.postgres import EmbeddedServer

from tests.support import photos
from tests.support.commands import run_command
from tests.support.pgbouncer import PgBouncer, pgbouncer
from tests.support.service import Service, environment, eventually, job_states, rows, serving

PHOTO = photos.jpeg(64, 48)
PHOTOS = 200
INTERRUPTED_PHOTOS = 50
POOL_SIZE = 5

LEFT_BEHIND = """
select 'setting ' || name || '=' || setting from pg_settings
where source = 'session' and name <> 'application_name'
union all select 'channel ' || channel from pg_listening_channels() as channel
union all select 'statement ' || statement from pg_prepared_statements
union all select 'lock ' || objid from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()
union all select 'table ' || relname from pg_class where relnamespace = pg_my_temp_schema()
"""
"""What earlier transactions left on a connection of the server. PgBouncer itself sets the name of its client there."""


@pytest.fixture
def database(postgres_server: EmbeddedServer) -> Iterator[str]:
    """An empty database of this test, by its direct URL."""
    name = f"pooled_{uuid4().hex}"
    with psycopg.connect(postgres_server.url("postgres"), autocommit=True) as connection:
        connection.execute(f"create database {name}")
        yield postgres_server.url(name)
        connection.execute(f"drop database {name} with (force)")


@pytest.fixture
def small_pool(tmp_path: Path, database: str) -> Iterator[PgBouncer]:
    with pgbouncer(tmp_path / "pooler", database, pool_size=POOL_SIZE) as running:
        yield running


def left_behind(pooler: PgBouncer, url: str) -> list[str]:
    """What is left on any connection that the pooler has to the server, each held by an open transaction."""
    name = url.rpartition("/")[2]
    servers = {row["remote_pid"] for row in pooler.console("show servers") if row["database"] == name}
    found: list[str] = []
    with ExitStack() as stack:
        seen = set()
        for _ in servers:
            connection = stack.enter_context(psycopg.connect(url, prepare_threshold=None))
            found += [text for (text,) in connection.execute(LEFT_BEHIND).fetchall()]
            seen.add(connection.execute("select pg_backend_pid()").fetchone())
        assert {pid for (pid,) in seen if pid} == servers
    return found


def send_all(service: Service, count: int) -> list[int]:
    with ThreadPoolExecutor(8) as cameras:
        sent = [cameras.submit(service.send, PHOTO, f"slot-{1 + n % 4:03d}") for n in range(count)]
        return [one.result().status_code for one in sent]


def direct_connections(database: str) -> int:
    """How many connections of the service bypass the pooler; those have the process id in their name."""
    named = "select count(*) from pg_stat_activity where datname = current_database() and application_name ~ %s"
    ((count,),) = rows(database, named, r"^photochanger \d+$")
    return int(count)


def test_every_photo_comes_back_with_a_direct_listener(tmp_path: Path, database: str, small_pool: PgBouncer) -> None:
    url = small_pool.url(database)
    settings = {"database_url": url, "listen_database_url": database}
    migrated = run_command("migrate", env=environment(tmp_path / "home", **settings))
    assert (migrated.returncode, migrated.stderr) == (0, "")
    with serving(tmp_path / "home", **settings) as service:
        assert send_all(service, PHOTOS) == [200] * PHOTOS
        assert direct_connections(database) == 2  # the listeners of two processes
        log = service.log.read_text()
    assert job_states(database) == ["succeeded"] * PHOTOS
    assert "pooler" not in log
    assert left_behind(small_pool, url) == []


def test_without_a_listener_jobs_are_found_by_polling_and_a_new_pooler_costs_no_photo(
    tmp_path: Path, database: str, small_pool: PgBouncer
) -> None:
    url = small_pool.url(database)
    assert run_command("migrate", env=environment(tmp_path / "home", database_url=url)).returncode == 0
    with serving(tmp_path / "home", database_url=url) as service:
        answers: list[int] = []
        sending = threading.Thread(target=lambda: answers.extend(send_all(service, INTERRUPTED_PHOTOS)))
        sending.start()
        for ended in (5, 20):
            eventually(lambda ended=ended: job_states(database).count("succeeded") >= ended)
            small_pool.stop()
            small_pool.start()
        sending.join()
        assert direct_connections(database) == 0
        log = service.log.read_text()
    assert answers == [200] * INTERRUPTED_PHOTOS
    assert {*job_states(database)} == {"succeeded"}
    assert log.count("leads through a pooler; polling") == 2  # a line of each process
    assert left_behind(small_pool, url) == []
