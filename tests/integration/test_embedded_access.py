"""Who gets into the embedded PostgreSQL: processes that can read its password, over its socket, and no others."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psutil
import psycopg
import pytest
from photochanger.adapters.postgres import Database, EmbeddedServer, EmbeddedServerError
from photochanger.adapters.postgres.embedded.access import password_file
from photochanger.adapters.postgres.embedded.programs import as_account, unprivileged_account
from photochanger.core.ports.media_store import MediaStore
from photochanger.entrypoints.config import Settings
from photochanger.entrypoints.container import make_container

from tests.support.commands import run_command
from tests.support.service import environment


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A data folder whose server does not outlive the test."""
    place = tmp_path / "a home & more" / "postgres"
    yield place
    if (place / "data" / "PG_VERSION").exists():
        EmbeddedServer.start(place).close()


def socket_of(server: EmbeddedServer) -> str:
    return parse_qs(urlsplit(server.url()).query)["host"][0]


def password_of(folder: Path) -> str:
    return password_file(folder).read_text().strip().rpartition(":")[2]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def refused(server: EmbeddedServer, **arguments: str) -> str:
    """What the server says to a client with these arguments."""
    with pytest.raises(psycopg.OperationalError) as error:
        psycopg.connect(host=socket_of(server), user="photochanger", dbname="postgres", **arguments)
    return str(error.value)


def test_a_client_without_the_password_is_refused(folder: Path, tmp_path: Path) -> None:
    with EmbeddedServer.start(folder) as server:
        nothing = str(tmp_path / "no such file")
        assert "no password supplied" in refused(server, passfile=nothing)
        assert "password authentication failed" in refused(server, passfile=nothing, password="photochanger")
        arguments = {"host": socket_of(server), "dbname": "postgres", "passfile": nothing}
        with psycopg.connect(user="photochanger", password=password_of(folder), **arguments) as connection:
            rules = connection.execute(
                "select type, database, user_name, auth_method from pg_hba_file_rules"
            ).fetchall()
            roles = connection.execute("select rolname, rolpassword from pg_authid where rolcanlogin").fetchall()
    assert rules == [("local", ["all"], ["all"], "scram-sha-256")]
    assert [(name, verifier.startswith("SCRAM-SHA-256$")) for name, verifier in roles] == [("photochanger", True)]


def test_another_process_of_the_servers_account_is_refused(folder: Path) -> None:
    """It may enter the socket's folder, which belongs to that account; that gets it no further."""
    account = unprivileged_account()
    if account is None:
        pytest.skip("only a service that runs as root lends its server another account")
    with EmbeddedServer.start(folder) as server:
        probe = (
            "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1] + '/.s.PGSQL.5432');"
            "body = b'\\0\\3\\0\\0user\\0photochanger\\0database\\0postgres\\0\\0';"
            "s.sendall((len(body) + 4).to_bytes(4, 'big') + body); print(s.recv(100))"
        )
        root = os.open("/", os.O_RDONLY)
        options = as_account(account, root)
        said = subprocess.run(
            ["/usr/bin/python3", "-c", probe, socket_of(server)], capture_output=True, text=True, check=True, **options
        )
        assert "SCRAM-SHA-256" in said.stdout
        readable = subprocess.run(["/bin/cat", str(password_file(folder))], capture_output=True, **options)
        os.close(root)
        assert readable.returncode != 0


def test_it_listens_on_no_port(folder: Path) -> None:
    with EmbeddedServer.start(folder):
        server = psutil.Process(int((folder / "data" / "postmaster.pid").read_text().split()[0]))
        kinds = {connection.family.name for connection in server.net_connections(kind="all")}
    assert kinds <= {"AF_UNIX"}


def test_every_file_is_closed_to_other_accounts(folder: Path) -> None:
    umask = os.umask(0)
    try:
        with EmbeddedServer.start(folder):
            for path in (folder.parent, folder, folder / "data"):
                assert mode(path) == 0o700, path
            for path in folder.iterdir():
                assert not mode(path) & 0o077, path
            assert mode(folder / "data" / "pg_hba.conf") == 0o600
    finally:
        os.umask(umask)


def test_a_cluster_that_trusted_its_account_asks_for_the_password_from_its_next_start_on(folder: Path) -> None:
    with EmbeddedServer.start(folder) as server, psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute("create table kept as select 42 as answer")
        connection.execute("alter role photochanger password null")
    (folder / "data" / "pg_hba.conf").write_text("local all all trust\nhost all all 127.0.0.1/32 trust\n")
    password_file(folder).unlink()
    with EmbeddedServer.start(folder) as server:
        assert "no password supplied" in refused(server, passfile="/dev/null")
        with psycopg.connect(server.url("postgres")) as connection:
            assert connection.execute("select answer from kept").fetchone() == (42,)


def test_what_the_servers_account_writes_into_its_pid_file_deletes_no_folder(folder: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    server = EmbeddedServer.start(folder)
    file = folder / "data" / "postmaster.pid"
    lines = file.read_text().splitlines()
    own, lines[4] = lines[4], str(precious)
    file.write_text("\n".join(lines) + "\n")
    server.close()
    assert precious.exists()
    assert not file.exists()
    assert own != str(precious)


@pytest.mark.parametrize("while_it_runs", [False, True])
def test_a_lost_password_is_replaced(folder: Path, while_it_runs: bool) -> None:
    user = EmbeddedServer.start(folder)
    if not while_it_runs:
        user.close()
    before = password_of(folder)
    password_file(folder).unlink()
    with EmbeddedServer.start(folder) as server, psycopg.connect(server.url("postgres")) as connection:
        assert connection.execute("select 1").fetchone() == (1,)
        assert socket_of(user) == socket_of(server) or not while_it_runs
    assert password_of(folder) != before
    user.close()


def test_the_password_survives_a_restart_and_is_in_no_address_and_no_log(folder: Path) -> None:
    with EmbeddedServer.start(folder) as server:
        password, url = password_of(folder), server.url()
    with EmbeddedServer.start(folder) as server:
        assert password_of(folder) == password
        assert password not in server.url()
    assert len(password) == 64
    assert password not in url
    assert password not in (folder / "postgres.log").read_text()


def test_a_password_that_cannot_be_set_is_a_clear_error_and_not_logged(folder: Path) -> None:
    EmbeddedServer.start(folder).close()
    password_file(folder).unlink()
    version = folder / "data" / "global" / "pg_control"
    kept = version.read_bytes()
    version.write_bytes(b"broken" * 100)
    with pytest.raises(EmbeddedServerError, match=r"password.*cannot be set.*postgres\.log"):
        EmbeddedServer.start(folder)
    assert "alter role" not in (folder / "postgres.log").read_text()
    assert not password_file(folder).exists()
    version.write_bytes(kept)


@pytest.mark.anyio
async def test_a_home_that_was_open_is_closed_before_anything_is_written(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(0o777)
    container = make_container(Settings(home=home))
    try:
        await container.get(MediaStore)
        await container.get(Database)
        assert {path.name: mode(path) for path in (home, *home.iterdir())} == {
            "home": 0o700,
            "media": 0o700,
            "postgres": 0o700,
        }
        assert [mode(path) for path in (home / "media").iterdir()] == [0o700] * len(list((home / "media").iterdir()))
    finally:
        await container.close()


def test_a_service_in_a_folder_of_others_does_not_start_and_says_why(tmp_path: Path) -> None:
    home = tmp_path / "web site"
    home.mkdir()
    home.chmod(0o755)
    (home / "index.html").write_text("a web site")
    done = run_command("migrate", env=environment(home))
    assert done.returncode == 2, done.stderr
    assert "PHOTOCHANGER_HOME" in done.stderr
    assert f"chmod 700 {home}" in done.stderr
    assert [path.name for path in home.iterdir()] == ["index.html"]
