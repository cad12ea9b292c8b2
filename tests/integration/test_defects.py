"""Defects in the background of real processes: they are logged, the process ends, and a worker is restarted."""

from __future__ import annotations

import subprocess
from pathlib import Path

import psycopg

from tests.support import photos
from tests.support.service import command, environment, eventually, serving


def execute(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)


def test_a_worker_whose_heartbeat_fails_ends_and_is_restarted(tmp_path: Path, postgres_url: str) -> None:
    with serving(tmp_path, database_url=postgres_url) as service, service.client() as client:
        eventually(lambda: client.get("/readyz").status_code == 200)
        (first,) = service.workers()
        execute(postgres_url, "alter table photochanger.workers rename column version to missing")
        eventually(lambda: "worker process ended with code 1; restarting it" in service.log.read_text())
        assert "worker heartbeat failed: unforeseen error" in service.log.read_text()
        assert not first.is_running()
        execute(postgres_url, "alter table photochanger.workers rename column missing to version")
        eventually(lambda: client.get("/readyz").status_code == 200)
        assert service.send(photos.jpeg(160, 120)).status_code == 200
        assert service.stop() == 0


def test_a_service_whose_sweeper_fails_shuts_down_with_an_error(tmp_path: Path, postgres_url: str) -> None:
    execute(postgres_url, "alter table photochanger.password_failures rename to missing")
    served = subprocess.run(
        command("serve", "--port", "0"),
        env=environment(tmp_path, database_url=postgres_url),
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert served.returncode == 1
    assert "maintenance task failure_counts failed: unforeseen error" in served.stderr
    assert "sweeper failed: unforeseen error" in served.stderr
