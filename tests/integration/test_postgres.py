"""What only the real PostgreSQL can show: two processes' worth of connections, plans, migrations, outages."""

from __future__ import annotations

import asyncio
import inspect
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import psutil
import psycopg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from photochanger.adapters.postgres import EmbeddedServer, migrate, require_current_schema
from photochanger.adapters.postgres.migrate import HEAD, REVISIONS, SchemaOutdated
from photochanger.adapters.postgres.schema import metadata
from photochanger.adapters.system_clock import SystemClock
from photochanger.core.domain.accounts import Permission, Role, role_of
from photochanger.core.domain.errors import QueueFull, QueueUnavailable
from photochanger.core.domain.job import Job
from photochanger.core.domain.media import MediaKey, MediaKind
from photochanger.core.services.support.availability import UntilAvailable
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from tests.support.builders import new_job, outcome_succeeded
from tests.support.postgres_backend import open_backend
from tests.support.service import HANG_SECONDS, eventually, has_ended

pytestmark = pytest.mark.anyio
LEASE = timedelta(minutes=3)


@pytest.fixture
def migrations() -> Config:
    """The migrations as Alembic finds them."""
    config = Config()
    config.set_main_option("script_location", str(Path(inspect.getfile(migrate)).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    return config


async def test_the_bound_is_exact_across_two_processes_worth_of_connections(postgres_url: str) -> None:
    async with open_backend(postgres_url) as one, open_backend(postgres_url) as two:
        calls = [side.queue.enqueue(new_job(), max_active=64) for side in (one, two) for _ in range(100)]
        ended = await asyncio.gather(*calls, return_exceptions=True)
        assert sum(isinstance(end, Job) for end in ended) == 64
        assert sum(isinstance(end, QueueFull) for end in ended) == 136


async def test_a_wake_up_crosses_from_one_process_to_the_other(postgres_url: str) -> None:
    async with open_backend(postgres_url) as one, open_backend(postgres_url) as two:
        with two.signals.work() as work:
            job = await one.queue.enqueue(new_job(), max_active=1)
            assert await work.wait(timedelta(minutes=3))
        (claim,) = await two.queue.acquire("worker", n=1, lease=LEASE)
        with one.signals.finalized(job.id) as ended:
            assert await two.queue.mark_finalized(job.id, outcome_succeeded(claim.job), claim=claim)
            assert await ended.wait(timedelta(minutes=3))


async def test_two_finalizers_in_two_processes_have_one_winner(postgres_url: str) -> None:
    async with open_backend(postgres_url) as one, open_backend(postgres_url) as two:
        job = await one.queue.enqueue(new_job(), max_active=1)
        (claim,) = await one.queue.acquire("worker", n=1, lease=LEASE)
        won = await asyncio.gather(
            one.queue.mark_finalized(job.id, outcome_succeeded(job), claim=claim),
            two.queue.mark_finalized(job.id, outcome_succeeded(job), claim=None),
        )
        assert sorted(won) == [False, True]


async def test_lost_connections_are_made_again(postgres_url: str) -> None:
    async with open_backend(postgres_url) as backend:
        job = await backend.queue.enqueue(new_job(), max_active=2)
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = current_database() and pid <> pg_backend_pid()"
            )
        assert (await backend.jobs.get(job.id)).id == job.id
        assert (await backend.queue.enqueue(new_job(), max_active=2)).id != job.id
        assert await backend.settings.get() is not None
        with backend.signals.work() as work:
            await backend.signals.wait_until_listening()
            await backend.queue.release((await backend.queue.acquire("worker", n=1, lease=LEASE))[0])
            assert await work.wait(timedelta(minutes=3))


async def test_a_foreign_notification_ends_no_listening(postgres_url: str) -> None:
    async with open_backend(postgres_url) as backend:
        await backend.signals.wait_until_listening()
        job = await backend.queue.enqueue(new_job(), max_active=1)
        with backend.signals.finalized(job.id) as end, psycopg.connect(postgres_url, autocommit=True) as other:
            other.execute("notify photochanger_finalized, 'no job'")
            assert await end.wait(timedelta(minutes=3)), "it may mean anything"
            await backend.queue.mark_finalized(job.id, outcome_succeeded(job), claim=None)
            assert await end.wait(timedelta(minutes=3))


async def test_a_crash_of_the_server_loses_no_record_of_a_file(tmp_path: Path) -> None:
    folder = tmp_path / "postgres"
    server = EmbeddedServer.start(folder)
    try:
        server.ensure_database("crashed")
        await asyncio.to_thread(migrate, server.url("crashed"))
        with psycopg.connect(server.url("crashed"), autocommit=True) as idle:
            idle.execute("alter system set wal_writer_delay = '10s'")  # nothing else brings a commit to the disk
            idle.execute("select pg_reload_conf()")
            async with open_backend(server.url("crashed")) as backend:
                key = MediaKey(MediaKind.PAYLOADS, "photo")
                await backend.begun_files.add([key], now=datetime.now(UTC))
                psutil.Process(idle.info.backend_pid).kill()
                later = datetime.now(UTC) + timedelta(minutes=3)
                found = partial(backend.begun_files.before, later, MediaKind.PAYLOADS, limit=10)
                assert await UntilAvailable(SystemClock(), later)(found) == [key]
    finally:
        server.close()


async def test_an_unavailable_database_is_reported_immediately_and_found_again(tmp_path: Path) -> None:
    folder = tmp_path / "postgres"
    server = EmbeddedServer.start(folder)
    try:
        server.ensure_database("away")
        await asyncio.to_thread(migrate, server.url("away"))
        async with open_backend(server.url("away")) as backend:
            killed = psutil.Process(int((folder / "data" / "postmaster.pid").read_text().split()[0]))
            killed.kill()
            eventually(lambda: has_ended(killed))
            calls = [
                backend.queue.enqueue(new_job(), max_active=1),
                backend.queue.acquire("worker", n=1, lease=LEASE),
                backend.jobs.get(new_job().id),
                backend.slots.all(),
                backend.database.ping(),
            ]
            ended = await asyncio.gather(*calls, return_exceptions=True)
            assert all(isinstance(end, QueueUnavailable) for end in ended)
            with await asyncio.to_thread(EmbeddedServer.start, folder):
                assert isinstance(await backend.queue.enqueue(new_job(), max_active=1), Job)
                await asyncio.wait_for(backend.signals.wait_until_listening(), HANG_SECONDS)
    finally:
        server.close()


async def test_finished_jobs_cost_the_hot_path_nothing(postgres_url: str) -> None:
    """Whatever is finished is in none of the indexes that taking a job looks at."""
    fill = """
        insert into photochanger.jobs (id, slot_id, source, state, created_at, expires_at, route_id, route_provider,
            photo, payload_key, sha256, access_token, metadata, finalized_at)
        select gen_random_uuid(), 'slot-001', 'ingest', 'failed', now(), now(), gen_random_uuid(), 'local', '{}',
            n::text, n::text, 'x', '{}', now() from generate_series(1, 20000) as n
    """
    look = """
        explain select id from photochanger.jobs
        where finalized_at is null and expires_at > now() and (state = 'pending' or lease_until <= now())
        order by created_at, id limit 4 for update skip locked
    """
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(fill)
        connection.execute("analyze photochanger.jobs")
        plan = "\n".join(line for (line,) in connection.execute(look))
        size = connection.execute("select pg_relation_size('photochanger.jobs_live')").fetchone()
    assert "jobs_live" in plan
    assert "Seq Scan" not in plan
    assert size is not None
    assert size[0] <= 16384


def test_concurrent_migrations_are_safe(postgres_server: EmbeddedServer) -> None:
    postgres_server.ensure_database("together")
    url = postgres_server.url("together")
    with ThreadPoolExecutor(4) as starters:
        for done in [starters.submit(migrate, url) for _ in range(4)]:
            done.result()
    with psycopg.connect(url) as connection:
        assert connection.execute("select count(*) from photochanger.alembic_version").fetchone() == (1,)


async def test_a_database_without_the_schema_is_outdated(postgres_server: EmbeddedServer) -> None:
    postgres_server.ensure_database("bare")
    async with open_backend(postgres_server.url("bare")) as backend:
        with pytest.raises(SchemaOutdated, match="missing"):
            await require_current_schema(backend.database)


def test_the_revisions_are_those_of_the_migrations(migrations: Config) -> None:
    scripts = ScriptDirectory.from_config(migrations)
    assert [script.revision for script in scripts.walk_revisions()][::-1] == [*REVISIONS]
    assert scripts.get_current_head() == HEAD


def test_every_revision_can_be_taken_back_and_made_again(postgres_url: str, migrations: Config) -> None:
    engine = create_engine(postgres_url.replace("postgresql://", "postgresql+psycopg://"), poolclass=NullPool)
    with engine.connect() as connection:
        migrations.attributes["connection"] = connection
        command.downgrade(migrations, "base")
        connection.commit()
        left = connection.scalar(text("select count(*) from pg_tables where schemaname = 'photochanger'"))
        assert left == 1, "alembic's own table"
    migrate(postgres_url)
    with psycopg.connect(postgres_url) as checking:
        assert checking.execute("select count(*) from photochanger.app_settings").fetchone() == (1,)


def test_those_with_all_permissions_become_owners(postgres_url: str, migrations: Config) -> None:
    all_before = ("slots", "settings", "media", "jobs")
    before = sorted([f"{of}:{may}" for of in all_before for may in ("read", "write")] + ["stats:read"])
    given = {"ada": before, "grace": before[1:], "joan": []}
    engine = create_engine(postgres_url.replace("postgresql://", "postgresql+psycopg://"), poolclass=NullPool)
    insert = (
        "insert into photochanger.admins (username, password_hash, permissions, created_at, tokens_from)"
        " values (%s, 'hash', %s, now(), now())"
    )
    read = "select username, permissions from photochanger.admins"

    def back() -> None:
        with engine.connect() as connection:
            migrations.attributes["connection"] = connection
            command.downgrade(migrations, "0006")
            connection.commit()

    back()
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        for row in given.items():
            connection.execute(insert, row)
        migrate(postgres_url)
        migrated: dict[str, list[str]] = dict(connection.execute(read).fetchall())
        assert role_of([Permission(one) for one in migrated.pop("ada")]) is Role.OWNER
        assert migrated == {"grace": before[1:], "joan": []}
        back()
        assert dict(connection.execute(read).fetchall()) == given


async def test_the_schema_of_a_newer_version_is_refused(postgres_url: str) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("update photochanger.alembic_version set version_num = '9999', oldest_code = '9998'")
    with pytest.raises(SchemaOutdated, match="9999"):
        await asyncio.to_thread(migrate, postgres_url)
    async with open_backend(postgres_url) as backend:
        with pytest.raises(SchemaOutdated, match="9999"):
            await require_current_schema(backend.database)


def test_alembic_is_imported_only_where_there_is_something_to_migrate(postgres_url: str) -> None:
    script = """
import asyncio, sys
import photochanger.entrypoints.container
from photochanger.adapters.postgres import Database, migrate, require_current_schema

async def check():
    async with Database(sys.argv[1]) as database:
        await require_current_schema(database)

migrate(sys.argv[1])
asyncio.run(check())
print([name for name in sys.modules if name.partition(".")[0] in ("alembic", "mako")])
"""
    done = subprocess.run([sys.executable, "-c", script, postgres_url], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_migrations_make_the_tables_that_the_code_describes(postgres_url: str) -> None:
    # With the schema off the search path its name is reflected as the code has it.
    options = {"options": "-c search_path=public"}
    engine = create_engine(postgres_url.replace("postgresql://", "postgresql+psycopg://"), connect_args=options)
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"include_schemas": True, "version_table_schema": "photochanger", "compare_type": True}
        )
        differences = [
            difference
            for difference in compare_metadata(context, metadata)
            if getattr(difference[1], "name", None) != "alembic_version"
        ]
    engine.dispose()
    assert differences == []
