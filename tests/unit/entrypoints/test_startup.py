"""What a first start sets up, with and without output that someone reads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from dishka import AsyncContainer
from photochanger import Settings
from photochanger.adapters.memory import memory_adapters
from photochanger.adapters.postgres import DatabaseUnavailable
from photochanger.core.domain.ingest_request import PasswordCheck
from photochanger.core.ports.accounts import PasswordHasher
from photochanger.core.ports.repositories.ingest_requests import IngestRequestRepository
from photochanger.core.ports.repositories.settings_repository import SettingsRepository
from photochanger.core.services.auth.admins import AdminService
from photochanger.core.services.auth.known_addresses import KnownAddresses
from photochanger.entrypoints import bootstrap
from photochanger.entrypoints.bootstrap import (
    print_administrator,
    print_ingest_password,
    recognise_cameras,
    seed_administrator,
    seed_ingest_password,
    seed_quietly,
)
from photochanger.entrypoints.container import make_container

from tests.support.builders import ingest_request
from tests.support.world import CountingHasher

pytestmark = pytest.mark.anyio

PASSWORD = "a long enough password"


@asynccontextmanager
async def started(home: Path, **settings: str) -> AsyncIterator[AsyncContainer]:
    adapters = memory_adapters() | {PasswordHasher: CountingHasher()}
    container = make_container(Settings(home=home, ingest_password=PASSWORD, **settings), adapters)
    try:
        yield container
    finally:
        await container.close()


async def names(container: AsyncContainer) -> list[str]:
    return [admin.username for admin in await (await container.get(AdminService)).list()]


async def test_a_service_gets_an_administrator_whose_password_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with started(tmp_path) as container:
        assert await seed_ingest_password(container) is None
        first = await seed_administrator(container)
        assert first is not None
        name, password = first
        assert await names(container) == [name] == ["admin"]
        print_administrator(first)
        said = f"Administrator: admin, password: {password} (shown only once)\n"
        assert capsys.readouterr().out == said
        print_ingest_password(await seed_ingest_password(container))
        print_administrator(await seed_administrator(container))
        assert capsys.readouterr().out == ""


async def test_a_configured_administrator_is_not_printed(tmp_path: Path) -> None:
    async with started(tmp_path, admin_username="ada", admin_password=PASSWORD) as container:
        assert await seed_administrator(container) is None
        assert await names(container) == ["ada"]


@pytest.mark.parametrize("settings", [{}, {"admin_username": "ada"}, {"admin_password": PASSWORD}], ids=str)
async def test_without_output_no_administrator_is_generated(tmp_path: Path, settings: dict[str, str]) -> None:
    async with started(tmp_path, **settings) as container:
        await seed_quietly(container)
        assert await names(container) == []


async def test_without_output_a_configured_administrator_is_added(tmp_path: Path) -> None:
    async with started(tmp_path, admin_username="ada", admin_password=PASSWORD) as container:
        await seed_quietly(container)
        assert await names(container) == ["ada"]


async def test_cameras_of_before_the_start_are_known_and_others_are_not(tmp_path: Path) -> None:
    async with started(tmp_path) as container:
        requests = await container.get(IngestRequestRepository)
        checks = {"slot-001": PasswordCheck.RIGHT, "slot-002": PasswordCheck.WRONG, "slot-003": None}
        for number, (slot_id, check) in enumerate(checks.items()):
            await requests.put(ingest_request(slot_id, address=f"192.0.2.{number}", password=check))
        await recognise_cameras(container)
        known = await container.get(KnownAddresses)
        assert [f"192.0.2.{number}" in known for number in range(3)] == [True, False, False]


async def test_a_password_set_at_the_start_is_known_without_its_slow_hash(tmp_path: Path) -> None:
    async with started(tmp_path) as container:
        await seed_quietly(container)
        stored = await (await container.get(SettingsRepository)).ingest_password()
        assert stored is not None
        assert stored.digest is not None
        assert (tmp_path / "secret.key").stat().st_mode & 0o077 == 0


async def test_a_database_that_is_lost_between_two_steps_of_the_start_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []

    def failing_once(name: str) -> Callable[[AsyncContainer], Awaitable[None]]:
        async def step(_: AsyncContainer) -> None:
            steps.append(name)
            if steps.count(name) == 1:
                raise DatabaseUnavailable("read-only")

        return step

    names = ("migrate_database", "seed_ingest_password", "seed_administrator", "recognise_cameras")
    for name in names:
        monkeypatch.setattr(bootstrap, name, failing_once(name))
    monkeypatch.setattr(bootstrap, "_DATABASE_PAUSE", timedelta(0))
    async with started(tmp_path) as container:
        assert await bootstrap.prepare_database(container, asyncio.Event(), cameras=True)
    assert steps == [name for name in names for _ in range(2)]
