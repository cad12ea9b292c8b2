"""Processes at which administrators log in, for the tests of who may come in and what they may do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from photochanger.adapters.memory import FakeClock, memory_adapters
from photochanger.adapters.security import AesSecretBox
from photochanger.core.domain.accounts import COMMAND_LINE, Admin, Permission
from photochanger.core.domain.audit import AuditAction
from photochanger.core.domain.errors import InvalidCredentials, InvalidToken
from photochanger.core.ports.accounts import AdminRepository, FailureCounter, PasswordHasher
from photochanger.core.ports.repositories.audit_log import AuditLog
from photochanger.core.ports.secrets import SecretBox
from photochanger.core.services.auth.admins import AdminService
from photochanger.core.services.auth.attempts import Attempts
from photochanger.core.services.auth.signing_keys import SigningKeys
from photochanger.core.services.support.passwords import Passwords
from photochanger.entrypoints.config import Settings
from photochanger.entrypoints.container import make_container

from tests.support.fault_injector import FaultInjector
from tests.support.wiring import get_now
from tests.support.world import CountingHasher

PASSWORD = "correct horse"
HERE, THERE = "192.0.2.1", "192.0.2.2"


class Process:
    """A process with its administrators; `another` is one more on the same database."""

    def __init__(self, *, of: Process | None = None) -> None:
        self.clock: FakeClock = of.clock if of else FakeClock()
        adapters: Any = of.adapters if of else memory_adapters(self.clock)
        self.adapters = adapters
        replaced = adapters | {port: FaultInjector(adapters[port]) for port in (AdminRepository, FailureCounter)}
        replaced |= {
            PasswordHasher: CountingHasher(),
            SecretBox: AesSecretBox(lambda: "the secret of this service, which is long enough"),
        }
        container = make_container(Settings(), replaced)
        self.records = get_now(container, AdminRepository)
        self.failures = get_now(container, FailureCounter)
        self.audit = get_now(container, AuditLog)
        self.hasher = get_now(container, PasswordHasher)
        self.keys = get_now(container, SigningKeys)
        self.attempts = get_now(container, Attempts)
        self.passwords = get_now(container, Passwords)
        self.admins = get_now(container, AdminService)

    def another(self) -> Process:
        return Process(of=self)

    async def login(self, username: str = "ada", password: str = PASSWORD, *, address: str = HERE) -> str:
        """The token."""
        token, _ = await self.admins.login(username, password, address=address)
        return token

    async def bring_along(self, username: str = "ada", password: str = PASSWORD) -> None:
        """Store the hash of a password without a digest, as an import does."""
        hash = await self.hasher.hash(password)

        def edit(everyone: Mapping[str, Admin]) -> tuple[Admin, tuple[()]]:
            return msgspec.structs.replace(everyone[username], password_hash=hash, password_digest=None), ()

        await self.records.inner.change(edit)

    async def fail(self, username: str = "ada", password: str = "wrong", *, address: str = HERE) -> None:
        with pytest.raises(InvalidCredentials):
            await self.login(username, password, address=address)

    async def refuses(self, token: str) -> None:
        with pytest.raises(InvalidToken):
            await self.admins.identify(token)

    async def stored(self, username: str = "ada") -> Admin:
        return next(admin for admin in await self.records.inner.all() if admin.username == username)

    def audited(self, *actions: AuditAction) -> list[tuple[str, str | None, str | None]]:
        """Actor, address and target of the audit entries of these actions."""
        return [(entry.actor, entry.address, entry.target) for entry in self.audit.entries if entry.action in actions]


async def with_ada(*permissions: Permission) -> Process:
    """A process whose one administrator is `ada`, with all permissions unless some are named."""
    process = Process()
    await process.admins.add("ada", PASSWORD, permissions=permissions or tuple(Permission), by=COMMAND_LINE)
    return process
