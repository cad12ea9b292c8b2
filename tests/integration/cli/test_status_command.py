"""`photochanger status` over real services, `/readyz` with and without workers, and the floor under the disk."""

from __future__ import annotations

import errno
import json
import os
import pty
import signal
import subprocess
from pathlib import Path
from typing import Any

from tests.support import photos
from tests.support.commands import run_command
from tests.support.service import HANG_SECONDS, command, environment, eventually, rows, serving

HUGE = str(1024**5)
"""More bytes than any disk here has."""


def status(home: Path, *options: str, **settings: str) -> str:
    ended = run_command("status", *options, env=environment(home, **settings))
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def status_json(home: Path, **settings: str) -> dict[str, Any]:
    shown: dict[str, Any] = json.loads(status(home, "--json", **settings))
    return shown


def test_the_status_shows_workers_queue_disk_and_what_failed(tmp_path: Path, postgres_url: str) -> None:
    signs_in = {"admin_username": "admin", "admin_password": "correct horse battery staple"}
    with serving(tmp_path, database_url=postgres_url, workers="3", **signs_in) as service:
        with service.client() as client:
            eventually(lambda: client.get("/readyz").status_code == 200)
            credentials = {"username": "admin", "password": signs_in["admin_password"]}
            token = client.post("/api/login", json=credentials).json()["access_token"]
        assert service.send(photos.jpeg(320, 240)).status_code == 200
        shown = status_json(tmp_path, database_url=postgres_url)
        (worker,) = shown["workers"]
        (process,) = service.workers()
        assert (worker["pid"], worker["concurrency"], worker["silent"]) == (process.pid, 3, False)
        assert shown["queue"] == {"pending": 0, "processing": 0, "by_provider": {}}
        assert shown["disk"]["enough"] is True
        assert {one["breaker"] for one in shown["providers"]} == {"closed"}
        assert {"gemini", "openai", "turbotext"} <= {one["id"] for one in shown["providers"]}
        assert shown["last_failures"] == []
        rows(
            postgres_url,
            "update photochanger.jobs set state = 'failed', failure_reason = 'provider_error',"
            " error_code = 'provider_failed' returning id",
        )
        shown = status_json(tmp_path, database_url=postgres_url)
        assert [job["code"] for job in shown["last_failures"]] == ["provider_failed"]
        with service.client() as client:
            by_http = client.get("/api/status", headers={"Authorization": f"Bearer {token}"}).json()
        assert {*by_http} == {*shown, "version", "ready", "parts", "findings"}
        assert [one["name"] for one in by_http["workers"]] == [worker["name"]]
        assert {*by_http["parts"]} == {"database", "schema", "store", "worker"}
        assert {one["part"]: one["fix"] for one in by_http["findings"]}["clock"] is None
        text = status(tmp_path, database_url=postgres_url)  # no terminal: once
        assert worker["name"] in text
        assert "provider_failed" in text
        assert service.stop() == 0
    assert status_json(tmp_path, database_url=postgres_url)["workers"] == []


def read_to_the_end(terminal: int) -> None:
    while True:
        try:
            os.read(terminal, 65536)
        except OSError as error:
            if error.errno != errno.EIO:  # Linux's error once no process writes to the terminal
                raise
            return


def test_at_a_terminal_the_status_is_refreshed_in_place_until_it_is_stopped(tmp_path: Path, postgres_url: str) -> None:
    terminal, inside = pty.openpty()
    env = environment(tmp_path, database_url=postgres_url) | {"TERM": "xterm", "COLUMNS": "120", "LINES": "40"}
    process = subprocess.Popen(
        command("status"),
        env=env,
        stdin=inside,
        stdout=inside,
        stderr=inside,
        # A run that a shell started in the background ignores Ctrl-C, and its children would inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    os.close(inside)
    try:
        shown = b""
        while shown.count(b"PhotoChanger at") < 3:
            shown += os.read(terminal, 65536)
        assert b"\x1b[1A" in shown  # goes up to write over what it wrote
        process.send_signal(signal.SIGINT)
        read_to_the_end(terminal)  # else the last lines would find no room
        assert process.wait(HANG_SECONDS) == 0
    finally:
        process.kill()
        process.wait()
        os.close(terminal)


def test_a_service_without_workers_is_ready_once_another_host_works_for_it(tmp_path: Path, postgres_url: str) -> None:
    at = {"database_url": postgres_url, "media_root": str(tmp_path / "media"), "secret_key": "s" * 32}
    with serving(tmp_path / "front", workers="0", **at) as service, service.client() as client:
        answer = client.get("/readyz")
        assert answer.status_code == 503
        part = answer.json()["parts"]["worker"]
        assert (part["ok"], "No worker heartbeat" in part["detail"]) == (False, True)
        environ = environment(tmp_path / "back", **at)
        worker = subprocess.Popen(command("worker"), env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            eventually(lambda: client.get("/readyz").status_code == 200)
        finally:
            worker.terminate()
            worker.wait(HANG_SECONDS)
        eventually(lambda: client.get("/readyz").status_code == 503)


def test_a_worker_that_is_alive_but_silent_is_not_ready(tmp_path: Path, postgres_url: str) -> None:
    with serving(tmp_path, database_url=postgres_url) as service, service.client() as client:
        eventually(lambda: client.get("/readyz").status_code == 200)
        (process,) = service.workers()
        process.suspend()
        silence = "update photochanger.workers set seen_at = now() - interval '1 minute' returning name"

        def reason() -> str:
            rows(postgres_url, silence)  # again where a heartbeat was on its way
            part = client.get("/readyz").json()["parts"]["worker"]
            return "" if part["ok"] else part["detail"]

        try:
            assert "missed its heartbeats" in eventually(reason)
        finally:
            process.resume()
        eventually(lambda: client.get("/readyz").status_code == 200)


def test_below_the_floor_photos_are_refused_before_they_are_read_and_readyz_says_so(
    tmp_path: Path, postgres_url: str
) -> None:
    with serving(tmp_path, database_url=postgres_url, min_free_bytes=HUGE) as service, service.client() as client:
        refused = service.send(photos.jpeg(320, 240))
        assert (refused.status_code, refused.json()["code"]) == (503, "storage_unavailable")
        assert int(refused.headers["retry-after"]) > 0
        store = client.get("/readyz").json()["parts"]["store"]
        assert (store["ok"], "nearly full" in store["detail"]) == (False, True)
        assert status_json(tmp_path, database_url=postgres_url, min_free_bytes=HUGE)["disk"]["enough"] is False
        doctor = subprocess.run(
            command("doctor"),
            env=environment(tmp_path, database_url=postgres_url, min_free_bytes=HUGE),
            capture_output=True,
            text=True,
        )
        assert "FIX  disk" in doctor.stdout
        assert "ok   clock" in doctor.stdout
        assert "ok   administrators" in doctor.stdout
        assert "ok   workers" in doctor.stdout
    assert rows(postgres_url, "select count(*) from photochanger.jobs") == [(0,)]
