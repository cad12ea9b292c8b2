"""A commit that is not confirmed: the database is asked what became of the transaction, and never guessed about."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from photochanger.adapters.postgres import Database, DatabaseUnavailable, PostgresAuditLog
from photochanger.adapters.postgres.confirmation import Change
from photochanger.adapters.system_clock import SYSTEM_CLOCK
from photochanger.core.domain.audit import AuditAction, AuditEntry
from photochanger.core.domain.errors import ChangeUnconfirmed
from photochanger.core.services.support.repeated_calls import DatabasePatience, RepeatedCalls, waiting_for_database
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.support.service import rows

pytestmark = pytest.mark.anyio

FOR_EVER, AT_ONCE = timedelta(hours=1), timedelta(0)
LOST = DatabaseUnavailable("the connection was lost")
INSERT = "insert into photochanger.audit_log (id, at, action, actor, detail) values (%s, now(), 'login', 'ada', '{}')"


@pytest.fixture
async def database(postgres_url: str) -> AsyncIterator[Database]:
    async with Database(postgres_url) as database:
        yield database


@contextmanager
def open_transaction(url: str, entry: UUID) -> Iterator[tuple[psycopg.Connection[Any], str]]:
    """A transaction of another connection that has written an audit entry, and its number."""
    with psycopg.connect(url) as connection:
        connection.execute(INSERT, (entry,))
        number = connection.execute("select pg_current_xact_id()::text").fetchone()
        assert number is not None
        yield connection, number[0]


async def confirm(database: Database, change: Change, length: timedelta = FOR_EVER) -> None:
    await change.confirm(database.begin, DatabasePatience(SYSTEM_CLOCK, length), LOST)


async def test_a_transaction_that_goes_on_is_waited_for(
    database: Database, postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    entry = uuid4()
    with caplog.at_level(logging.INFO, "photochanger.queue"), open_transaction(postgres_url, entry) as (other, number):
        asked = asyncio.create_task(confirm(database, Change(number, entry)))
        async with asyncio.timeout(180):
            while "has not ended the transaction" not in caplog.text:  # noqa: ASYNC110 - a log signals nothing
                await asyncio.sleep(0)
        assert not asked.done()
        await asyncio.to_thread(other.commit)
        await asked


async def test_one_that_was_rolled_back_is_lost(database: Database, postgres_url: str) -> None:
    entry = uuid4()
    with open_transaction(postgres_url, entry) as (other, number):
        other.rollback()
        with pytest.raises(DatabaseUnavailable) as raised:
            await confirm(database, Change(number, entry))
    assert raised.value is LOST


async def test_one_that_the_server_does_not_know_is_lost(database: Database) -> None:
    """As after a failover to a standby that it had not reached."""
    with pytest.raises(DatabaseUnavailable) as raised:
        await confirm(database, Change(str(2**40), uuid4()))
    assert raised.value is LOST


async def test_one_whose_number_was_given_again_is_lost(database: Database, postgres_url: str) -> None:
    """As after a crash: another transaction with that number was committed."""
    with open_transaction(postgres_url, uuid4()) as (other, number):
        other.commit()
    with pytest.raises(DatabaseUnavailable) as raised:
        await confirm(database, Change(number, uuid4()))
    assert raised.value is LOST


@pytest.mark.parametrize("ended", [True, False])
async def test_without_a_proof_it_stays_unconfirmed(database: Database, postgres_url: str, ended: bool) -> None:
    """A change without an audit entry that may be another's, and one that has not ended when patience has."""
    entry = uuid4()
    with open_transaction(postgres_url, entry) as (other, number):
        if ended:
            other.commit()
        with pytest.raises(ChangeUnconfirmed, match="may have been made"):
            await confirm(database, Change(number, None if ended else entry), AT_ONCE)


@pytest.mark.parametrize("times", [1, 3])
async def test_a_change_that_was_lost_before_its_commit_is_made_again_and_once(
    database: Database, postgres_url: str, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    """The server ends the connection when all is done but the commit."""
    begun = []

    async def of(connection: AsyncConnection, used: psycopg.AsyncConnection[Any]) -> Change | None:
        change = await real(connection, used)
        if change is not None and len(begun) < times:
            begun.append(change)
            (pid,) = (await connection.exec_driver_sql("select pg_backend_pid()")).one()
            ended = "select pg_terminate_backend(%s, 60000)"
            assert await asyncio.to_thread(rows, postgres_url, ended, pid) == [(True,)]
        return change

    real = Change.of
    monkeypatch.setattr(Change, "of", of)
    entry = AuditEntry(id=uuid4(), at=datetime.now(UTC), action=AuditAction.LOGIN, actor="ada")
    with waiting_for_database(SYSTEM_CLOCK, FOR_EVER):
        await RepeatedCalls(PostgresAuditLog(database)).append(entry)
    assert len(begun) == times
    assert rows(postgres_url, "select id from photochanger.audit_log where id = %s", entry.id) == [(entry.id,)]


async def test_a_connection_that_is_used_again_proves_nothing_of_an_earlier_change(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes: list[Change | None] = []

    async def of(connection: AsyncConnection, used: psycopg.AsyncConnection[Any]) -> Change | None:
        changes.append(await real(connection, used))
        return changes[-1]

    real = Change.of
    monkeypatch.setattr(Change, "of", of)
    entry = AuditEntry(id=uuid4(), at=datetime.now(UTC), action=AuditAction.LOGIN, actor="ada")
    with waiting_for_database(SYSTEM_CLOCK, FOR_EVER):
        await PostgresAuditLog(database).append(entry)
        async with database.begin() as connection:
            await connection.exec_driver_sql("delete from photochanger.audit_log")
        await PostgresAuditLog(database).find(limit=1)
    (first, second, third) = changes
    assert first is not None
    assert second is not None
    assert (first.entry, second.entry, third) == (entry.id, None, None)
