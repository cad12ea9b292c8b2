"""The embedded PostgreSQL: private, shared by processes, stopped by the last one, back after every crash."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from photochanger.adapters.postgres import EmbeddedServer, EmbeddedServerError
from photochanger.adapters.postgres.embedded import server as embedded

from tests.support.service import HANG_SECONDS, command, environment, eventually, has_ended


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A data folder whose server does not outlive the test."""
    place = tmp_path / "home" / "postgres"
    yield place
    if place.exists():
        EmbeddedServer.start(place).close()


def ask(server: EmbeddedServer, query: str) -> object:
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        cursor = connection.execute(query)
        return cursor.fetchone() if cursor.description else None


def postmaster(folder: Path) -> psutil.Process:
    return psutil.Process(int((folder / "data" / "postmaster.pid").read_text().split()[0]))


def is_running(folder: Path) -> bool:
    return (folder / "data" / "postmaster.pid").exists()


JOIN = """
import sys
from pathlib import Path
from photochanger.adapters.postgres import EmbeddedServer
server = EmbeddedServer.start(Path(sys.argv[1]))
print("joined", flush=True)
sys.stdin.read()
server.close()
print("left", flush=True)
"""


def joined(folder: Path) -> subprocess.Popen[str]:
    """Another process that uses the server until its standard input ends."""
    process = subprocess.Popen(
        (sys.executable, "-c", JOIN, str(folder)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "joined\n"
    return process


def test_it_starts_answers_and_stops(folder: Path) -> None:
    with EmbeddedServer.start(folder) as server:
        assert ask(server, "select current_setting('listen_addresses'), current_setting('timezone')") == ("", "UTC")
        server.ensure_database("photos")
        server.ensure_database("photos")
        with psycopg.connect(server.url("photos")) as connection:
            assert connection.execute("select current_database()").fetchone() == ("photos",)
    assert not is_running(folder)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(server.url("photos"), connect_timeout=120)


def test_the_data_is_private_and_no_folder_above_it_is_widened(folder: Path) -> None:
    above = [*folder.parent.parents][:-1]
    before = {parent: parent.stat().st_mode for parent in above}
    with EmbeddedServer.start(folder) as server:
        assert stat.S_IMODE((folder / "data").stat().st_mode) == 0o700
        socket = Path(server.url().split("host=")[1])
        assert stat.S_IMODE(socket.stat().st_mode) == 0o700
        assert {parent: parent.stat().st_mode for parent in above} == before
        assert postmaster(folder).uids().effective != 0


def test_two_servers_run_side_by_side(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    with EmbeddedServer.start(folder) as first, EmbeddedServer.start(other) as second:
        ask(first, "create table here (n int)")
        assert ask(second, "select to_regclass('here')") == (None,)
    assert not is_running(other)


def test_the_last_one_out_stops_it(folder: Path) -> None:
    server = EmbeddedServer.start(folder)
    other = joined(folder)
    server.close()
    server.close()
    assert is_running(folder)
    assert ask(server, "select 1") == (1,)
    other.communicate(timeout=180)
    assert other.returncode == 0
    assert not is_running(folder)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="signals that wait cannot be seen here")
def test_a_server_that_is_killed_while_it_stops_is_not_waited_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "_STOP_TIMEOUT", timedelta(hours=1))
    server = EmbeddedServer.start(folder)
    killed = postmaster(folder)
    killed.suspend()
    leaving = threading.Thread(target=server.close, daemon=True)
    leaving.start()

    def is_asked_to_stop() -> bool:
        status = Path(f"/proc/{killed.pid}/status").read_text()
        (waiting,) = (line.split()[1] for line in status.splitlines() if line.startswith("ShdPnd:"))
        return bool(int(waiting, 16) & 1 << signal.SIGINT - 1)

    eventually(is_asked_to_stop)
    killed.send_signal(signal.SIGKILL)
    leaving.join(HANG_SECONDS)
    assert not leaving.is_alive()


def test_an_orphan_is_taken_over(folder: Path) -> None:
    other = joined(folder)
    orphan = postmaster(folder).pid
    other.kill()
    other.communicate()
    with EmbeddedServer.start(folder) as server:
        assert postmaster(folder).pid == orphan
        assert ask(server, "select 1") == (1,)
    assert not is_running(folder)


def test_a_killed_server_comes_back_at_the_same_address_with_everything_committed(folder: Path) -> None:
    first = EmbeddedServer.start(folder)
    ask(first, "create table kept as select 42 as answer")
    killed = postmaster(folder)
    killed.send_signal(signal.SIGKILL)
    eventually(lambda: has_ended(killed))
    with EmbeddedServer.start(folder) as second:
        assert second.url() == first.url()
        assert ask(second, "select answer from kept") == (42,)
    first.close()


@pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="processes of a folder cannot be found here")
def test_what_a_killed_server_left_running_is_ended_before_the_next_start(folder: Path) -> None:
    first = EmbeddedServer.start(folder)

    def stay_busy() -> None:
        with contextlib.suppress(psycopg.OperationalError):  # its server is killed
            ask(first, "select count(*) from generate_series(1, 1e12)")

    killed = postmaster(folder)
    queries = [threading.Thread(target=stay_busy) for _ in range(2)]
    for query in queries:
        query.start()
    running = "select count(*) from pg_stat_activity where query like '%1e12%' and pid <> pg_backend_pid()"
    eventually(lambda: ask(first, running) == (2,))
    left = killed.children()
    stranger = subprocess.Popen(("sleep", "3600"), cwd=folder / "data")
    try:
        killed.send_signal(signal.SIGKILL)
        eventually(lambda: has_ended(killed))
        with EmbeddedServer.start(folder) as second:
            assert all(map(has_ended, left))
            assert stranger.poll() is None
            method = "syncfs" if sys.platform == "linux" else "fsync"
            assert ask(second, "show recovery_init_sync_method") == (method,)
    finally:
        stranger.kill()
        stranger.wait()
    for query in queries:
        query.join()
    first.close()


@pytest.mark.anyio
async def test_a_server_that_is_killed_while_it_is_used_comes_back_by_itself(folder: Path) -> None:
    server = EmbeddedServer.start(folder)
    ask(server, "create table kept as select 42 as answer")
    watching = asyncio.create_task(server.keep_running())
    for _ in range(2):
        killed = postmaster(folder)
        killed.send_signal(signal.SIGKILL)
        await asyncio.to_thread(eventually, lambda gone=killed.pid: answers(server) and postmaster(folder).pid != gone)
        assert ask(server, "select answer from kept") == (42,)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    server.close()
    assert not is_running(folder)


@pytest.mark.anyio
async def test_a_failed_restart_of_the_server_is_retried(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = EmbeddedServer.start(folder)
    launch, tried = embedded._launch, []

    def only_the_third(place: Path) -> str:
        tried.append(place)
        if len(tried) < 3:
            raise EmbeddedServerError("no room") if len(tried) == 1 else OSError("no memory")
        return launch(place)

    monkeypatch.setattr(embedded, "_launch", only_the_third)
    monkeypatch.setattr(embedded, "_REVIVE_PAUSE_SECONDS", 0.0)
    watching = asyncio.create_task(server.keep_running())
    postmaster(folder).send_signal(signal.SIGKILL)
    await asyncio.to_thread(eventually, lambda: len(tried) == 3 and answers(server))
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    server.close()


@pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="processes of a folder cannot be found here")
@pytest.mark.parametrize("ends", ["the one before", "serve"])
def test_serve_tries_again_while_the_server_before_has_not_ended(tmp_path: Path, ends: str) -> None:
    folder = tmp_path / "postgres"
    with EmbeddedServer.start(folder) as server:
        ask(server, "create table kept as select 42 as answer")
        pid_file = (folder / "data" / "postmaster.pid").read_text().splitlines()
    before = ending_server(folder)
    (folder / "data" / "postmaster.pid").write_text("\n".join([str(before.pid), *pid_file[1:]]) + "\n")
    log = tmp_path / "log"
    with log.open("w") as output:
        serve = subprocess.Popen(
            command("serve", "--workers", "0"), env=environment(tmp_path, port="0"), stdout=output, stderr=output
        )
    try:
        eventually(lambda: "did not start; trying again: " in log.read_text())
        assert 'lock file "postmaster.pid" already exists' in log.read_text()
        if ends == "serve":
            serve.terminate()
            assert serve.wait(HANG_SECONDS) == 0
            assert "threads still run" not in log.read_text()
            return
        before.kill()
        before.wait()
        eventually(lambda: "PhotoChanger listens on" in log.read_text())
        serve.terminate()
        assert serve.wait(HANG_SECONDS) == 0
    finally:
        for process in (before, serve):
            process.kill()
            process.wait()
    with EmbeddedServer.start(folder) as server:
        assert ask(server, "select answer from kept") == (42,)


def account_of(folder: Path) -> dict[str, Any]:
    """What makes a new process one of the server's account."""
    owner = (folder / "data").stat()
    return {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []} if os.geteuid() == 0 else {}


def stranger_with_its_number(folder: Path) -> subprocess.Popen[bytes]:
    """Another process of the server's account; the lock files of the killed server name it."""
    sockets = Path((folder / "data" / "postmaster.pid").read_text().splitlines()[4])
    stranger = subprocess.Popen(("sleep", "3600"), cwd="/", **account_of(folder))
    for lock in (folder / "data" / "postmaster.pid", *sockets.glob(".s.PGSQL.*.lock")):
        lock.write_text("\n".join([str(stranger.pid), *lock.read_text().splitlines()[1:]]) + "\n")
    return stranger


@pytest.mark.anyio
@pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="processes of a folder cannot be found here")
async def test_the_number_of_a_killed_server_may_belong_to_another_process_of_its_account(folder: Path) -> None:
    server = EmbeddedServer.start(folder)
    ask(server, "create table kept as select 42 as answer")
    postmaster(folder).kill()
    await asyncio.to_thread(eventually, lambda: not answers(server))
    stranger = stranger_with_its_number(folder)
    try:
        watching = asyncio.create_task(server.keep_running())
        await asyncio.to_thread(eventually, lambda: answers(server))
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        assert ask(server, "select answer from kept") == (42,)
        server.close()
    finally:
        stranger.kill()
        await asyncio.to_thread(stranger.wait)


def ending_server(folder: Path) -> subprocess.Popen[bytes]:
    """A process of the server's account in its data that answers nobody: a server that was killed, before its end."""
    place = os.open(folder / "data", os.O_RDONLY | os.O_DIRECTORY)
    try:
        # By descriptor: the account may not enter the folders above.
        return subprocess.Popen(
            ("sh", "-c", f"cd /proc/self/fd/{place} && exec sleep 3600"), pass_fds=[place], **account_of(folder)
        )
    finally:
        os.close(place)


def test_a_start_that_fails_for_good_says_why(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "_RETRY_TIMEOUT", timedelta(0))
    EmbeddedServer.start(folder).close()
    version = folder / "data" / "PG_VERSION"
    kept = version.read_bytes()
    version.write_text("9.6\n")
    with pytest.raises(EmbeddedServerError, match=r"initialized by PostgreSQL version 9\.6"):
        EmbeddedServer.start(folder)
    version.write_bytes(kept)


def answers(server: EmbeddedServer) -> bool:
    try:
        return ask(server, "select 1") == (1,)
    except psycopg.OperationalError:
        return False


def test_a_pid_file_that_names_a_stranger_is_not_believed(folder: Path) -> None:
    EmbeddedServer.start(folder).close()
    (folder / "data" / "postmaster.pid").write_text(
        f"{os.getpid()}\n{folder}/data\n0\n5432\n/nowhere\n\n  1 1\nready\n"
    )
    assert not embedded._has_started(folder, subprocess.Popen(("false",)))
    assert embedded._running(folder) is None
    os.unlink(folder / "data" / "postmaster.pid")


@pytest.mark.parametrize("left", ["data", "data.new-a1b2"])
def test_a_first_start_that_was_cut_short_is_begun_again(folder: Path, left: str) -> None:
    (folder / left).mkdir(parents=True)
    (folder / left / "half").write_text("what a killed initdb leaves")
    with EmbeddedServer.start(folder) as server:
        assert ask(server, "select 1") == (1,)
        assert [place.name for place in folder.glob("data*")] == ["data"]


def test_a_first_start_that_is_killed_in_the_middle_is_begun_again(folder: Path) -> None:
    first = subprocess.Popen((sys.executable, "-c", JOIN, str(folder)), stdin=subprocess.PIPE, start_new_session=True)
    try:
        # A machine that looks too seldom finds it finished: that proves nothing, but is no failure either.
        eventually(lambda: [*folder.glob("data.new-*/PG_VERSION")] or (folder / "data").exists())
        os.killpg(first.pid, signal.SIGKILL)
    finally:
        first.communicate()
    with EmbeddedServer.start(folder) as server:
        assert ask(server, "select 1") == (1,)
