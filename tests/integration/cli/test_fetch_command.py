"""`photochanger fetch` in a process of its own: what it downloads, what it leaves as it is, how it refuses."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from photochanger.core.domain.results.files import archive_name

from tests.support import photos
from tests.support.http_server import ADMIN_PASSWORD, PICTURE, Service, serving
from tests.support.sender import Done, finished
from tests.support.windows import WITHOUT_UNIX

pytestmark = pytest.mark.anyio


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    async with serving(tmp_path / "home") as running:
        yield running


async def fetch(
    service: Service, folder: Path, *arguments: str, password: str | None = ADMIN_PASSWORD, wrapper: str | None = None
) -> Done:
    env = {name: value for name, value in os.environ.items() if not name.startswith("PHOTOCHANGER_")}
    if password is not None:
        env["PHOTOCHANGER_ADMIN_PASSWORD"] = password
    python = (sys.executable, "-m", "photochanger") if wrapper is None else (sys.executable, "-c", wrapper)
    process = await asyncio.create_subprocess_exec(
        *(*python, "fetch", "--url", f"http://127.0.0.1:{service.port}", "-o", str(folder), *arguments),
        env=env,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    return await finished(process)


async def made(service: Service, *slot_ids: str) -> list[str]:
    """The names of new pictures, as `fetch` gives them."""
    names = []
    for slot_id in slot_ids:
        answer = await service.ingest(slot_id)
        names.append(archive_name(await service.job(answer.headers["x-job-id"])))
    return names


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


async def test_pictures_are_downloaded_once_into_a_folder_for_each_slot(service: Service, tmp_path: Path) -> None:
    names = await made(service, "slot-001", "slot-002", "slot-001")
    folder = tmp_path / "evening"
    first = await fetch(service, folder)
    assert first.code == 0, first.errors
    assert files(folder) == sorted(names)
    assert all(photos.load(folder / name) == PICTURE for name in names)
    assert "3 downloaded, 0 already there, 0 expired, 0 failed" in first.out
    names += await made(service, "slot-002")
    again = await fetch(service, folder)
    assert "1 downloaded, 3 already there, 0 expired, 0 failed" in again.out
    assert files(folder) == sorted(names)


async def test_what_is_missing_cut_or_wrong_is_downloaded_again(service: Service, tmp_path: Path) -> None:
    missing, cut, wrong, whole = names = await made(service, *["slot-001"] * 4)
    assert (await fetch(service, tmp_path / "out")).code == 0
    before = (tmp_path / "out" / whole).stat().st_mtime_ns
    (tmp_path / "out" / missing).unlink()
    photos.store(tmp_path / "out" / cut, PICTURE[:-1])
    photos.store(tmp_path / "out" / wrong, bytes(len(PICTURE)))
    photos.store(tmp_path / "out" / "slot-001" / ".photochanger-0123.part", b"left by a killed process")
    done = await fetch(service, tmp_path / "out")
    assert "3 downloaded, 1 already there" in done.out
    assert files(tmp_path / "out") == sorted(names)
    assert all(photos.load(tmp_path / "out" / name) == PICTURE for name in names)
    assert (tmp_path / "out" / whole).stat().st_mtime_ns == before


async def test_slots_and_times_are_chosen(service: Service, tmp_path: Path) -> None:
    first, _, third = await made(service, "slot-001", "slot-002", "slot-003")
    done = await fetch(service, tmp_path / "slots", "--slot", "slot-001", "--slot", "slot-003")
    assert (done.code, files(tmp_path / "slots")) == (0, sorted([first, third]))
    job = await service.job(third.rsplit("_", 1)[1].removesuffix(".jpg"))
    assert job.finalized_at is not None
    late = await fetch(service, tmp_path / "late", "--from", job.finalized_at.isoformat())
    assert (late.code, files(tmp_path / "late")) == (0, [third])
    early = await fetch(service, tmp_path / "early", "--to", "2026-01-01")
    assert (early.code, files(tmp_path / "early")) == (0, [])


async def test_a_refusal_is_one_line(service: Service, tmp_path: Path) -> None:
    wrong = await fetch(service, tmp_path / "out", password="not this one at all")
    assert wrong.code == 1
    assert wrong.errors.startswith("Error: 401 ")
    assert len(wrong.errors.splitlines()) == 1
    unset = await fetch(service, tmp_path / "out", password=None)
    assert (unset.code, "PHOTOCHANGER_ADMIN_PASSWORD" in unset.errors) == (2, True)
    bad_slot = await fetch(service, tmp_path / "out", "--slot", "../etc")
    assert (bad_slot.code, "is not the id of a slot" in bad_slot.errors) == (2, True)
    await made(service, "slot-001")
    port, service.port = service.port, 9
    away = await fetch(service, tmp_path / "out")
    service.port = port
    assert (away.code, "does not answer" in away.errors) == (1, True)
    assert files(tmp_path / "out") == []


async def test_it_runs_without_what_windows_lacks(service: Service, tmp_path: Path) -> None:
    names = await made(service, "slot-001")
    done = await fetch(service, tmp_path / "out", wrapper=WITHOUT_UNIX)
    assert (done.code, files(tmp_path / "out")) == (0, names), done.errors
