"""Migrations only add: hosts of the release before go on, and no request waits for long (ADR 83)."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from photochanger.adapters.postgres import EmbeddedServer, migrate
from photochanger.adapters.postgres.migrate import REVISIONS
from photochanger.adapters.postgres.migrations.compatibility import FIRST_ROLLING, RELEASES, STRICT_UNTIL
from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import NullPool

from tests.support.postgres_server import fresh_database
from tests.support.schema_changes import Changes, changes

ROOT = Path(__file__).parents[2]


@pytest.fixture
def connection(postgres_url: str) -> Iterator[Connection]:
    engine = create_engine(postgres_url.replace("postgresql://", "postgresql+psycopg://"), poolclass=NullPool)
    with engine.connect() as connected:
        yield connected


@pytest.fixture(scope="module")
def scratch(postgres_server: EmbeddedServer) -> Iterator[Connection]:
    """A migrated database whose changes each test takes back."""
    with fresh_database(postgres_server) as url:
        engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"), poolclass=NullPool)
        with engine.connect() as connected:
            yield connected


@pytest.fixture
def migrations(connection: Connection) -> Config:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(Path(inspect.getfile(migrate)).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    return config


def refused(revision: str, module: Any, found: Changes) -> list[str]:
    """What the rules forbid of what a migration changes.

    `oldest_code` marks a removal, which may break older code. `accepted` of the migration gives reasons why
    something found is harmless, such as an index of a table of a few rows.
    """
    accepted: dict[str, str] = getattr(module, "accepted", {})
    oldest_code: str | None = getattr(module, "oldest_code", None)
    wrong = [change for change in found.blocking if change not in accepted]
    if oldest_code is None:
        wrong += [change for change in found.breaking if change not in accepted]
    elif oldest_code > (last := newest_allowed(revision)):
        wrong.append(f"oldest_code is {oldest_code}, but hosts of the release before have {last}")
    unknown = accepted.keys() - {*found.breaking, *found.blocking}
    return wrong + [f"accepted, but not found: {change}" for change in sorted(unknown)]


def upgrade(migrations: Config, connection: Connection, revision: str) -> None:
    connection.commit()  # a step has transactions of its own
    command.upgrade(migrations, revision)


def newest_allowed(revision: str) -> str:
    """The newest revision that a migration may demand of running code: that of the release before its own."""
    before = [(version, last) for version, last in RELEASES.items() if last < revision]
    version, last = before[-1]
    return last if numbers(version) >= numbers(FIRST_ROLLING) else revision


def numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def test_hosts_of_the_version_before_can_live_with_each_migration(connection: Connection, migrations: Config) -> None:
    command.downgrade(migrations, STRICT_UNTIL)
    connection.commit()
    scripts = ScriptDirectory.from_config(migrations)
    wrong = {}
    for revision in (one for one in REVISIONS if one > STRICT_UNTIL):
        found = changes(connection, partial(upgrade, migrations, connection, revision))
        script: Any = scripts.get_revision(revision)
        if lines := refused(revision, script.module, found):
            wrong[revision] = lines
    assert wrong == {}, "see adr/0083 for how to split such a change over two releases"


def test_each_release_has_its_revision() -> None:
    released = re.findall(r"^## \[(\d+\.\d+\.\d+)\]", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert [*RELEASES] == sorted(released, key=numbers)
    assert all(earlier <= later for earlier, later in pairwise(RELEASES.values()))
    assert {*RELEASES.values()} <= {*REVISIONS}


HARMLESS = (
    "alter table photochanger.jobs add column mood text",
    "alter table photochanger.jobs add column mood text not null default 'calm'",
    "alter table photochanger.jobs alter column worker set default 'none'",
    "alter table photochanger.jobs alter column metadata drop not null",
    "create table photochanger.moods (id bigint generated always as identity primary key, name text not null unique)",
    "create table photochanger.moods (id uuid primary key, job_id uuid references photochanger.jobs (id))",
    "create table photochanger.moods (id int); create index moods_id on photochanger.moods (id)",
    "create function photochanger.mood(batch jsonb) returns text language sql as $$ select '' $$",
    "create or replace function photochanger.store_jobs(batch jsonb)"
    " returns table (verdict text, job_id uuid, free_at timestamptz) language plpgsql"
    " as $$ begin update photochanger.jobs set worker = null; end $$",
    "drop index photochanger.jobs_tests",
)

BREAKING = {
    "drop table photochanger.ingest_keys": "ingest_keys: table removed or renamed",
    "alter table photochanger.ingest_keys rename to booth_keys": "ingest_keys: table removed or renamed",
    "alter table photochanger.jobs drop column trace": "jobs.trace: column removed or renamed",
    "alter table photochanger.jobs rename column trace to context": "jobs.trace: column removed or renamed",
    "alter table photochanger.jobs alter column attempt type bigint": "jobs.attempt: type changed",
    "alter table photochanger.workers alter column clock_ahead_seconds set not null": (
        "workers.clock_ahead_seconds: required now"
    ),
    "alter table photochanger.jobs alter column attempt drop default": "jobs.attempt: default removed",
    "alter table photochanger.workers add column mood text not null": (
        "workers.mood: added, required and without a default"
    ),
    "alter table photochanger.jobs add check (attempt < 9)": "jobs.jobs_attempt_check: constraint added",
    "alter table photochanger.slots add unique (name)": "slots.slots_name_key: constraint added",
    "alter table photochanger.call_costs add foreign key (job_id) references photochanger.jobs (id)": (
        "call_costs.call_costs_job_id_fkey: constraint added"
    ),
    "alter table photochanger.ingest_keys drop constraint ingest_keys_name_key": (
        "ingest_keys.ingest_keys_name_key: constraint removed"
    ),
    "create unique index one_name on photochanger.slots (name)": "slots.one_name: unique index added",
    "drop index photochanger.jobs_idempotency": "jobs.jobs_idempotency: unique index removed",
    "drop function photochanger.store_jobs(jsonb)": (
        "store_jobs(batch jsonb): function removed, renamed or with other arguments"
    ),
    "drop function photochanger.store_jobs(jsonb); "
    "create function photochanger.store_jobs(batch jsonb) returns text language sql as $$ select '' $$": (
        "store_jobs(batch jsonb): result or defaults of the function changed"
    ),
    "alter table photochanger.history rename to past; create view photochanger.history as "
    "select * from photochanger.past": "history: replaced by another table or view",
}

BLOCKING = {
    "alter table photochanger.jobs alter column attempt type bigint": "jobs: rewritten",
    "alter table photochanger.jobs add column at timestamptz default clock_timestamp()": "jobs: rewritten",
    "create index moods on photochanger.jobs (worker)": "jobs: index made without CONCURRENTLY",
    "CREATE UNIQUE INDEX moods ON photochanger.jobs (id, worker)": "jobs: index made without CONCURRENTLY",
    "update photochanger.jobs set worker = null where worker = ''": "jobs: rows changed by the migration",
    "delete from photochanger.processing_logs where false": "processing_logs: rows changed by the migration",
}


def of_statement(connection: Connection, statement: str) -> Changes:
    try:
        return changes(connection, lambda: [*map(connection.exec_driver_sql, split(statement))] and None)
    finally:
        connection.rollback()


def split(statements: str) -> list[str]:
    return re.split(r"; (?=create|drop|alter)", statements)


@pytest.mark.parametrize("statement", HARMLESS)
def test_what_older_code_does_not_notice_is_allowed(scratch: Connection, statement: str) -> None:
    assert of_statement(scratch, statement) == Changes([], [])


@pytest.mark.parametrize("statement", BREAKING)
def test_what_breaks_older_code_is_found(scratch: Connection, statement: str) -> None:
    assert BREAKING[statement] in of_statement(scratch, statement).breaking


@pytest.mark.parametrize("statement", BLOCKING)
def test_what_requests_would_wait_for_is_found(scratch: Connection, statement: str) -> None:
    assert BLOCKING[statement] in of_statement(scratch, statement).blocking


def migration(**attributes: Any) -> Any:
    return type("Migration", (), attributes)


def test_what_is_found_is_refused_unless_it_is_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Changes(["jobs.trace: column removed or renamed"], ["slots: index made without CONCURRENTLY"])
    few = {"slots: index made without CONCURRENTLY": "a thousand rows at most"}
    assert refused("0012", migration(), found) == [*found.blocking, *found.breaking]
    assert refused("0012", migration(accepted=few), found) == found.breaking
    assert refused("0012", migration(accepted=few, oldest_code="0012"), found) == [], "nothing was rolling before"
    assert refused("0012", migration(accepted=few), Changes([], [])) == [f"accepted, but not found: {next(iter(few))}"]
    monkeypatch.setitem(RELEASES, FIRST_ROLLING, "0013")
    assert refused("0013", migration(accepted=few, oldest_code="0013"), found) == [], "it belongs to that release"
    assert refused("0015", migration(accepted=few, oldest_code="0013"), found) == []
    assert refused("0015", migration(accepted=few, oldest_code="0014"), found) == [
        "oldest_code is 0014, but hosts of the release before have 0013"
    ]
