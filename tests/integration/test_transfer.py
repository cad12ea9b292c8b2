"""Rows of one database in another, as they were at one moment: all of them or none."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest
from photochanger.adapters.postgres import EmbeddedServer, TargetNotEmpty, TransferFailed, filling, migrate, snapshot

from tests.support.service import rows

SLOTS = "select id, name from photochanger.slots order by id"


@pytest.fixture
def empty_url(postgres_server: EmbeddedServer) -> Iterator[str]:
    """A database without a schema of ours."""
    name = f"empty_{uuid4().hex}"
    postgres_server.ensure_database(name)
    yield postgres_server.url(name)
    with psycopg.connect(postgres_server.url("postgres"), autocommit=True) as connection:
        connection.execute(f"drop database {name} with (force)")


def add_slot(url: str, number: int, *, name: str = "A slot") -> None:
    with psycopg.connect(url) as connection:
        connection.execute(
            "insert into photochanger.slots (id, name, active, route, version) values (%s, %s, true, '{}', 1)",
            (f"slot-{number:03}", name),
        )


def transfer(source: str, target: str) -> dict[str, int]:
    with snapshot(source) as tables, filling(target, tables.revision) as filled:
        for table in tables.tables:
            filled.fill(table, tables.copy(table))
        filled.finish(tables.rows)
    return tables.rows


def test_everything_arrives_whatever_it_is_made_of(postgres_url: str, empty_url: str) -> None:
    add_slot(postgres_url, 1, name="Tabs\tand\nlines \\N \\. ünd „quotes“")
    rows(postgres_url, "update photochanger.app_settings set version = 7 returning id")
    moved = transfer(postgres_url, empty_url)
    assert moved["slots"] == 1
    assert rows(empty_url, SLOTS) == rows(postgres_url, SLOTS)
    assert rows(empty_url, "select id, version from photochanger.app_settings") == [(1, 7)]


def test_what_is_written_meanwhile_stays_behind_whole(postgres_url: str, empty_url: str) -> None:
    add_slot(postgres_url, 1)
    with snapshot(postgres_url) as tables, filling(empty_url, tables.revision) as filled:
        add_slot(postgres_url, 2)
        for table in tables.tables:
            filled.fill(table, tables.copy(table))
        filled.finish(tables.rows)
    assert [id for id, _ in rows(empty_url, SLOTS)] == ["slot-001"]


def test_tables_come_after_those_that_they_refer_to(postgres_url: str) -> None:
    with snapshot(postgres_url) as tables:
        names = [table.name for table in tables.tables]
    assert names.index("slots") < names.index("webhooks") < names.index("webhook_deliveries")
    assert {"jobs", "workers", "app_settings"} <= set(names)
    assert "alembic_version" not in names


def test_new_rows_are_numbered_after_those_that_came(postgres_url: str, empty_url: str) -> None:
    values = "(gen_random_uuid(), now(), 'enqueued')"
    log = f"insert into photochanger.processing_logs (job_id, at, event) values {values} returning id"
    last = max(rows(postgres_url, log)[0][0] for _ in range(5))
    transfer(postgres_url, empty_url)
    assert rows(empty_url, log) == [(last + 1,)]


def test_a_target_with_data_is_left_as_it_is(
    postgres_url: str, postgres_server: EmbeddedServer, empty_url: str
) -> None:
    migrate(empty_url)
    add_slot(empty_url, 9, name="Mine")
    with pytest.raises(TargetNotEmpty, match="slots"):
        transfer(postgres_url, empty_url)
    assert rows(empty_url, SLOTS) == [("slot-009", "Mine")]


def test_a_target_that_was_migrated_and_never_used_counts_as_empty(postgres_url: str, empty_url: str) -> None:
    migrate(empty_url)
    add_slot(postgres_url, 1)
    transfer(postgres_url, empty_url)
    assert len(rows(empty_url, SLOTS)) == 1


def lose_a_row(source: str, target: str) -> None:
    """A transfer with one row less than announced."""
    with snapshot(source) as tables, filling(target, tables.revision) as filled:
        for table in tables.tables:
            filled.fill(table, tables.copy(table))
        filled.finish(tables.rows | {"slots": tables.rows["slots"] + 1})


def break_a_row(source: str, target: str) -> None:
    """A transfer of something that is no row of a slot."""
    with snapshot(source) as tables, filling(target, tables.revision) as filled:
        filled.fill(next(table for table in tables.tables if table.name == "slots"), [b"secret of a guest\n"])


def test_where_rows_are_missing_at_the_end_nothing_is_kept(postgres_url: str, empty_url: str) -> None:
    add_slot(postgres_url, 1)
    with pytest.raises(TransferFailed, match="Only 1 of 2 rows of slots arrived"):
        lose_a_row(postgres_url, empty_url)
    assert rows(empty_url, SLOTS) == []


def test_a_database_error_is_reported_without_the_data(postgres_url: str, empty_url: str) -> None:
    with pytest.raises(TransferFailed, match="reported an error") as error:
        break_a_row(postgres_url, empty_url)
    assert "guest" not in str(error.value)
    assert rows(empty_url, SLOTS) == []


def test_a_schema_of_the_future_is_refused(empty_url: str) -> None:
    with pytest.raises(TransferFailed, match="9999"):
        filling(empty_url, "9999").__enter__()
