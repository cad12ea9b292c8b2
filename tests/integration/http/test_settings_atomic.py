"""A change of the settings is stored whole or not at all, whatever step of it fails and whoever else writes."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest
from photochanger.adapters.memory import MemoryAuditLog, MemorySecretRepository, MemorySettingsRepository
from photochanger.adapters.postgres import (
    Database,
    PostgresAuditLog,
    PostgresSecretRepository,
    PostgresSettingsRepository,
)
from photochanger.adapters.security import AesSecretBox
from photochanger.core.domain.accounts import Permission
from photochanger.core.domain.errors import QueueUnavailable
from photochanger.core.ports.accounts import PasswordHasher
from photochanger.core.ports.repositories.audit_log import AuditLog
from photochanger.core.ports.repositories.settings_repository import SettingsRepository
from photochanger.core.ports.secrets import SecretBox, SecretRepository
from sqlalchemy import Engine, event

from tests.support.administration import Administrator, token_of
from tests.support.http_server import QuickHasher, serving

pytestmark = pytest.mark.anyio

WRITES = {"save", "change", "append", "hash", "seal"}
"""The calls of ports that a change makes besides reading."""


SWEPT = re.compile(r"delete\s+from\s+(photochanger\.)?audit_log\b", re.IGNORECASE)
"""A statement of the sweeper, which runs beside the changes: they delete no entry."""


class Faults:
    """Counts the steps of a write and fails the one that is armed."""

    def __init__(self) -> None:
        self.left: int | None = None
        self.failed: str | None = None

    def arm(self, step: int) -> None:
        self.left, self.failed = step, None

    def disarm(self) -> None:
        self.left = None

    def step(self, name: str, error: Exception) -> None:
        if self.left == 0:
            self.left, self.failed = None, name
            raise error
        if self.left is not None:
            self.left -= 1


class Faulty:
    """A port whose writes are steps that can fail."""

    def __init__(self, inner: Any, faults: Faults) -> None:
        self._inner = inner
        self._faults = faults

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)
        if name not in WRITES:
            return method

        def called(*args: Any, **kwargs: Any) -> Any:
            self._faults.step(name, QueueUnavailable("fault"))
            return method(*args, **kwargs)

        async def awaited(*args: Any, **kwargs: Any) -> Any:
            return await called(*args, **kwargs)

        return awaited if inspect.iscoroutinefunction(method) else called


@pytest.fixture
def faults() -> Iterator[Faults]:
    """Faults at every statement that writes, and at the commit after one."""
    faults = Faults()

    def execute(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        if statement.split()[0].lower() in ("insert", "update", "delete") and not SWEPT.match(statement):
            connection.info["writes"] = True
            faults.step(statement, psycopg.OperationalError("fault"))

    def commit(connection: Any) -> None:
        if connection.info.pop("writes", False):
            faults.step("commit", psycopg.OperationalError("fault"))

    event.listen(Engine, "before_cursor_execute", execute)
    event.listen(Engine, "commit", commit)
    yield faults
    event.remove(Engine, "before_cursor_execute", execute)
    event.remove(Engine, "commit", commit)


@pytest.fixture(params=["memory", "postgres"])
async def admin(
    request: pytest.FixtureRequest, tmp_path: Path, faults: Faults, anyio_backend: str
) -> AsyncIterator[Administrator]:
    """An administrator of a service whose settings, keys and audit log are behind faults."""
    async with AsyncExitStack() as stack:
        audit: Any
        secrets: Any
        settings: Any
        if request.param == "postgres":
            database = await stack.enter_async_context(Database(request.getfixturevalue("postgres_url")))
            audit, secrets = PostgresAuditLog(database), PostgresSecretRepository(database)
            settings = PostgresSettingsRepository(database)
        else:
            audit = MemoryAuditLog()
            secrets = MemorySecretRepository(audit)
            settings = MemorySettingsRepository(audit, secrets)
        ports: dict[type, Any] = {
            AuditLog: audit,
            SecretRepository: secrets,
            SettingsRepository: settings,
            PasswordHasher: QuickHasher(),
            SecretBox: AesSecretBox(lambda: "the secret of this service, which is long enough"),
        }
        faulty = {port: Faulty(adapter, faults) for port, adapter in ports.items()}
        service = await stack.enter_async_context(serving(tmp_path, adapters=faulty))
        yield Administrator(service, await token_of(service, *Permission))


def everything(number: int) -> dict[str, Any]:
    """A change of every kind, each part marked with the number."""
    return {
        "max_active_jobs": 10 + number,
        "sync_response_seconds": 20 + number,
        "provider_limits": {"scripted": {"max_concurrent": None, "per_minute": None, "per_day": 100 + number}},
        "provider_keys": {"scripted": f"key-{number}"},
        "ingest_password": f"new password {number}",
    }


async def state(admin: Administrator) -> list[Any]:
    """Everything that a change may write, the secrets as they are stored."""
    container = admin.service.opened.container
    secrets: SecretRepository = await container.get(SecretRepository)
    settings: SettingsRepository = await container.get(SettingsRepository)
    return [
        await admin.get("/api/settings"),
        (await admin.get("/api/audit"))["items"],
        await secrets.get("scripted"),
        await settings.ingest_password(),
    ]


async def test_a_failure_at_any_step_leaves_everything_as_it_was(admin: Administrator, faults: Faults) -> None:
    assert (await admin("PUT", "/api/settings", json_body=everything(0))).status_code == 200
    before = await state(admin)
    failed: list[str] = []
    while True:
        faults.arm(len(failed))
        answer = await admin("PUT", "/api/settings", json_body=everything(1))
        faults.disarm()
        if faults.failed is None:
            break
        failed.append(faults.failed)
        assert answer.status_code == 503, faults.failed
        assert await state(admin) == before, faults.failed
    assert answer.status_code == 200
    assert {"hash", "seal", "save"} <= {*failed}
    after = await state(admin)
    body = answer.json()
    assert body == after[0]
    assert (body["max_active_jobs"], body["provider_limits"]["scripted"]["per_day"]) == (11, 101)
    assert len(after[1]) - len(before[1]) == 4
    assert after[2] != before[2]
    assert after[3] != before[3]


async def test_of_concurrent_changes_of_one_version_one_is_stored_whole(admin: Administrator) -> None:
    tag = (await admin.get("/api/settings"))["etag"]
    known = len((await admin.get("/api/audit"))["items"])
    writes = [
        admin("PUT", "/api/settings", json_body=everything(number), headers={"If-Match": tag}) for number in range(4)
    ]
    statuses = [answer.status_code for answer in await asyncio.gather(*writes)]
    assert sorted(statuses) == [200, 412, 412, 412]
    winner = statuses.index(200)
    shown, entries, _, password = await state(admin)
    assert shown["max_active_jobs"] == 10 + winner
    assert shown["provider_limits"] == everything(winner)["provider_limits"]
    assert password.hash == await QuickHasher().hash(f"new password {winner}")
    assert len(entries) - known == 4
