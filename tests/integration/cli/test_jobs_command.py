"""`photochanger jobs erase` on the database and the folder of a service."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import msgspec
import psycopg
import pytest
from photochanger.core.domain.job import Job
from photochanger.core.domain.media import MediaKind
from photochanger.core.domain.results.files import result_keys

from tests.support.builders import new_job, outcome_succeeded
from tests.support.commands import run_command
from tests.support.postgres_backend import open_backend
from tests.support.service import HANG_SECONDS

HOUR = timedelta(hours=1)
NOW = datetime.now(UTC)


@pytest.fixture
def env(postgres_url: str, tmp_path: Path) -> dict[str, str]:
    return {**os.environ, "PHOTOCHANGER_DATABASE_URL": postgres_url, "PHOTOCHANGER_HOME": str(tmp_path)}


def ended_jobs(env: Mapping[str, str], *of: tuple[str, datetime]) -> list[Job]:
    """A job with its files for each slot and moment of receipt."""
    media = Path(env["PHOTOCHANGER_HOME"]) / "media"

    async def make() -> list[Job]:
        async with open_backend(env["PHOTOCHANGER_DATABASE_URL"]) as backend:
            found = []
            for slot_id, at in of:
                job = await backend.queue.enqueue(new_job(slot_id=slot_id, created_at=at), max_active=100)
                outcome = outcome_succeeded(job, finalized_at=at, result_expires_at=NOW + 100 * HOUR)
                assert await backend.queue.mark_finalized(job.id, outcome, claim=None)
                assert outcome.result is not None
                for key in (job.photo.file.key, *result_keys(outcome.result.file.key)):
                    file = media / key.kind / key.name
                    media.mkdir(mode=0o700, exist_ok=True)
                    file.parent.mkdir(mode=0o700, exist_ok=True)
                    file.write_bytes(b"a picture")
                found.append(await backend.jobs.get(job.id))
            return found

    return asyncio.run(make())


def erased(env: Mapping[str, str]) -> set[UUID]:
    with psycopg.connect(env["PHOTOCHANGER_DATABASE_URL"]) as connection:
        return {row[0] for row in connection.execute("select id from photochanger.jobs where erased_at is not null")}


def files(env: Mapping[str, str]) -> list[str]:
    media = Path(env["PHOTOCHANGER_HOME"]) / "media"
    return [path.name for kind in MediaKind for path in (media / kind).glob("**/*") if path.is_file()]


def test_named_jobs_are_erased_with_their_files(env: dict[str, str]) -> None:
    gone, kept = ended_jobs(env, ("slot-001", NOW), ("slot-001", NOW))
    done = run_command("jobs", "erase", str(gone.id), str(gone.id), "--yes", env=env)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "1 job erased."
    assert erased(env) == {gone.id}
    assert len(files(env)) == 4
    assert kept.result is not None
    assert kept.result.file.key.name in files(env)
    with psycopg.connect(env["PHOTOCHANGER_DATABASE_URL"]) as connection:
        entries = connection.execute("select actor, target from photochanger.audit_log where action = 'job_erased'")
        assert entries.fetchall() == [("command line", str(gone.id))]


def test_jobs_are_selected_by_slot_and_time(env: dict[str, str]) -> None:
    jobs = ended_jobs(env, *((slot, NOW - n * HOUR) for slot in ("slot-001", "slot-002") for n in (1, 2, 3)))
    between = ("--from", (NOW - 2 * HOUR).isoformat(), "--to", (NOW - HOUR).isoformat())
    done = run_command("jobs", "erase", "--slot", "slot-002", *between, "--yes", env=env)
    assert "1 job of slot-002" in done.stdout
    assert erased(env) == {jobs[4].id}
    done = run_command("jobs", "erase", "--slot", "slot-002", "--yes", env=env)
    assert "2 jobs erased." in done.stdout  # the third is erased already
    assert run_command("jobs", "erase", "--slot", "slot-002", env=env).stdout == "There is nothing to erase.\n"
    assert erased(env) == {job.id for job in jobs[3:]}


@pytest.mark.parametrize("answer", ["n\n", ""])
def test_nothing_is_erased_without_a_yes(env: dict[str, str], answer: str) -> None:
    ended_jobs(env, ("slot-001", NOW))
    done = run_command("jobs", "erase", "--slot", "slot-001", env=env, stdin=answer)
    assert done.returncode != 0
    assert "for good?" in done.stdout
    assert erased(env) == set()
    assert run_command("jobs", "erase", "--slot", "slot-001", env=env, stdin="y\n").returncode == 0
    assert len(erased(env)) == 1


def test_an_unknown_job_keeps_all_from_being_erased(env: dict[str, str]) -> None:
    (known,) = ended_jobs(env, ("slot-001", NOW))
    unknown = uuid4()
    done = run_command("jobs", "erase", str(known.id), str(unknown), "--yes", env=env)
    assert (done.returncode, done.stderr) == (1, f"photochanger: There is no job {unknown}; nothing was erased.\n")
    assert erased(env) == set()


@pytest.mark.parametrize(
    "arguments",
    [(), (str(uuid4()), "--slot", "slot-001"), ("nonsense",), ("--from", "yesterday"), ("--to", "9999-99-99")],
)
def test_an_unclear_selection_is_wrong_usage(env: dict[str, str], arguments: tuple[str, ...]) -> None:
    done = run_command("jobs", "erase", *arguments, "--yes", env=env)
    assert done.returncode == 2
    assert "Error: " in done.stderr


def test_an_erasure_that_is_killed_between_database_and_files_is_finished_by_the_sweeper(env: dict[str, str]) -> None:
    (job,) = ended_jobs(env, ("slot-001", NOW))
    program = [sys.executable, "-c", _ERASE_AND_DIE, str(job.id)]
    killed = subprocess.run(program, env=env, capture_output=True, check=False, timeout=HANG_SECONDS)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert erased(env) == {job.id}
    assert len(files(env)) == 4
    with psycopg.connect(env["PHOTOCHANGER_DATABASE_URL"], autocommit=True) as connection:
        stored = connection.execute("select metadata, result_expires_at <= now() from photochanger.jobs").fetchone()
        assert stored == ({}, True)
        # Let the minute pass after which an erasure is repeated.
        connection.execute("update photochanger.jobs set erased_at = erased_at - interval '2 minutes'")
    assert run_command("sweep", env=env).returncode == 0
    assert files(env) == []


_ERASE_AND_DIE = """
import asyncio, os, signal, sys
from uuid import UUID
from photochanger.adapters.filesystem import FilesystemMediaStore
from photochanger.core.domain.accounts import COMMAND_LINE
from photochanger.core.ports.media_store import MediaStore
from photochanger.core.services.jobs.erasure import GuestErasure
from photochanger.entrypoints.config import Settings
from photochanger.entrypoints.container import make_container

class DeadlyStore(FilesystemMediaStore):
    async def delete(self, key):
        os.kill(os.getpid(), signal.SIGKILL)

async def main():
    settings = Settings.from_env()
    container = make_container(settings, {MediaStore: DeadlyStore(settings.media_folder)})
    await (await container.get(GuestErasure)).erase(UUID(sys.argv[1]), by=COMMAND_LINE)

asyncio.run(main())
"""


def test_the_job_stays_with_its_outcome(env: dict[str, str]) -> None:
    (job,) = ended_jobs(env, ("slot-001", NOW))
    assert run_command("jobs", "erase", str(job.id), "--yes", env=env).returncode == 0

    async def read() -> Job:
        async with open_backend(env["PHOTOCHANGER_DATABASE_URL"]) as backend:
            found: Job = await backend.jobs.get(job.id)
            return found

    after = asyncio.run(read())
    assert (after.state, after.finalized_at, after.provider_id) == (job.state, job.finalized_at, job.provider_id)
    assert msgspec.structs.replace(after.spec, metadata={}, photo=job.photo) == msgspec.structs.replace(
        job.spec, metadata={}
    )
