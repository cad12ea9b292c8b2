"""`photochanger admin` and `photochanger ingest-password` against a real database, and what a first start prints."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.support import photos
from tests.support.commands import run_command
from tests.support.plain_http import NO_TLS
from tests.support.service import (
    HANG_SECONDS,
    LONG_WINDOW,
    PASSWORD,
    command,
    environment,
    eventually,
    rows,
    serving,
    set_window,
)

ADMIN_PASSWORD = "a long enough password"
NEW_PASSWORD = "another password, as long"


def run(*arguments: str, home: Path, stdin: str = "", **settings: str) -> subprocess.CompletedProcess[str]:
    env = environment(home, **settings) | {"COLUMNS": "120"}
    return run_command(*arguments, env=env, stdin=stdin)


def done(*arguments: str, **options: Any) -> str:
    """What a command that succeeds prints."""
    ended = run(*arguments, **options)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def listed(**options: Any) -> dict[str, dict[str, Any]]:
    """The administrators by name."""
    return {admin["username"]: admin for admin in json.loads(done("admin", "list", "--json", **options))}


def audit(url: str) -> list[tuple[str, str, str]]:
    """Action, actor and target of every entry, oldest first."""
    return rows(url, "select action, actor, target from photochanger.audit_log order by at, id")


def log_in(client: httpx.Client, username: str, password: str) -> httpx.Response:
    return client.post("/api/login", json={"username": username, "password": password})


def test_administrators_are_added_listed_and_shut_out(tmp_path: Path, postgres_url: str) -> None:
    at: dict[str, Any] = {"home": tmp_path, "database_url": postgres_url}
    assert listed(**at) == {}
    said = done("admin", "add", "Ada", stdin=f"{ADMIN_PASSWORD}\n", **at)
    assert said == "Administrator ada added.\n"
    some = ("--permission", "jobs:read", "--permission", "stats:read")
    done("admin", "add", "grace", *some, stdin=ADMIN_PASSWORD, **at)
    added = listed(**at)
    assert (len(added["ada"]["permissions"]), added["ada"]["role"]) == (11, "owner")
    assert (added["grace"]["role"], added["grace"]["last_login_at"]) == (None, None)
    assert added["grace"]["permissions"] == ["jobs:read", "stats:read"]
    assert added["grace"]["disabled_at"] is None
    assert "password_hash" not in added["ada"]
    assert done("admin", "disable", "grace", **at) == "Administrator grace disabled.\n"
    table = done("admin", "list", **at)
    for seen in ("ada", " owner ", "never", "enabled", "custom:", "grace", "jobs:read", "disabled 2"):
        assert seen in table
    assert done("admin", "enable", "grace", **at) == "Administrator grace enabled.\n"
    assert listed(**at)["grace"]["disabled_at"] is None
    assert audit(postgres_url) == [
        ("admin_added", "command line", "ada"),
        ("admin_added", "command line", "grace"),
        ("admin_disabled", "command line", "grace"),
        ("admin_enabled", "command line", "grace"),
    ]


def test_a_new_password_is_another_hash_and_no_password_is_stored(tmp_path: Path, postgres_url: str) -> None:
    at: dict[str, Any] = {"home": tmp_path, "database_url": postgres_url}
    done("admin", "add", "ada", stdin=ADMIN_PASSWORD, **at)
    ((before,),) = rows(postgres_url, "select password_hash from photochanger.admins")
    assert done("admin", "passwd", "ada", stdin=f"{NEW_PASSWORD}\r\n", **at) == "Password of ada changed.\n"
    ((after,),) = rows(postgres_url, "select password_hash from photochanger.admins")
    assert before.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert after.startswith("$argon2id$")
    assert before != after
    assert audit(postgres_url)[-1] == ("admin_password_changed", "command line", "ada")
    kept = rows(
        postgres_url, "select a::text from photochanger.admins a union select l::text from photochanger.audit_log l"
    )
    assert not [text for (text,) in kept if ADMIN_PASSWORD in text or NEW_PASSWORD in text]


def test_a_password_is_asked_for_twice_at_a_terminal_and_not_shown(tmp_path: Path, postgres_url: str) -> None:
    keyboard, terminal = pty.openpty()
    with subprocess.Popen(
        command("admin", "add", "ada"),
        env=environment(tmp_path, database_url=postgres_url),
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    ) as process:
        os.close(terminal)
        screen = b""
        for prompt in (b"Password: ", b"Repeat for confirmation: "):
            while not screen.endswith(prompt):
                screen += os.read(keyboard, 1000)
            os.write(keyboard, ADMIN_PASSWORD.encode() + b"\n")
        try:
            while seen := os.read(keyboard, 1000):
                screen += seen
        except OSError:
            pass  # the terminal is gone with the last that used it
        assert process.wait(HANG_SECONDS) == 0, screen
    os.close(keyboard)
    assert ADMIN_PASSWORD.encode() not in screen
    assert b"Administrator ada added." in screen


REFUSED = [
    (("add", "Ada Lovelace"), ADMIN_PASSWORD, "Invalid settings: username: Must be 1–64 of a-z, 0-9, . _ @ -"),
    (("add", "ada"), ADMIN_PASSWORD, "The administrator ada already exists."),
    (("add", "grace"), "x" * 70_000, "Invalid settings: password: Must be 10 to 1024 characters long."),
    (("add", "grace"), "1234567890", "Invalid settings: password: Is one of the most common passwords."),
    (("add", "grace.hopper"), "grace.hopper", "Invalid settings: password: Must not be the user name."),
    (("passwd", "ada"), "Qwertyuiop", "Invalid settings: password: Is one of the most common passwords."),
    (("passwd", "grace"), ADMIN_PASSWORD, "Administrator not found."),
    (
        ("disable", "ada"),
        "",
        "Invalid settings: disabled: The last owner cannot be disabled or get another role.",
    ),
    (("set-role", "ada", "viewer"), "", "Invalid settings: role: The last owner cannot be disabled or get another"),
    (("set-role", "grace", "viewer"), "", "Administrator not found."),
]


def test_what_cannot_be_done_ends_with_one_line_and_changes_nothing(tmp_path: Path, postgres_url: str) -> None:
    at: dict[str, Any] = {"home": tmp_path, "database_url": postgres_url}
    done("admin", "add", "ada", stdin=ADMIN_PASSWORD, **at)
    for arguments, stdin, said in REFUSED:
        ended = run("admin", *arguments, stdin=stdin, **at)
        assert ended.returncode == 1, arguments
        assert ended.stderr.startswith(f"photochanger: {said}"), arguments
        assert len(ended.stderr.splitlines()) == 1, arguments
        assert ADMIN_PASSWORD not in ended.stdout + ended.stderr, arguments
    assert audit(postgres_url) == [("admin_added", "command line", "ada")]


def test_a_role_is_given_and_changed(tmp_path: Path, postgres_url: str) -> None:
    at: dict[str, Any] = {"home": tmp_path, "database_url": postgres_url}
    done("admin", "add", "ada", stdin=ADMIN_PASSWORD, **at)
    done("admin", "add", "grace", "--role", "operator", stdin=ADMIN_PASSWORD, **at)
    operator = listed(**at)["grace"]
    assert operator["role"] == "operator"
    assert {"slots:write", "settings:read"} <= {*operator["permissions"]}
    assert not {"settings:write", "admins:read", "admins:write"} & {*operator["permissions"]}
    assert done("admin", "set-role", "grace", "viewer", **at) == "Administrator grace is now viewer.\n"
    assert {one.partition(":")[2] for one in listed(**at)["grace"]["permissions"]} == {"read"}
    both = run("admin", "add", "joan", "--role", "viewer", "--permission", "jobs:read", stdin=ADMIN_PASSWORD, **at)
    assert both.returncode == 2
    assert "--role and --permission exclude each other." in both.stderr
    assert audit(postgres_url)[-1] == ("admin_role_changed", "command line", "grace")


def test_an_unknown_permission_is_refused(tmp_path: Path, postgres_url: str) -> None:
    ended = run("admin", "add", "ada", "--permission", "jobs:all", home=tmp_path, database_url=postgres_url)
    assert ended.returncode == 2
    assert "jobs:read" in ended.stderr


def test_a_password_in_another_encoding_gives_a_one_line_error(tmp_path: Path, postgres_url: str) -> None:
    env = environment(tmp_path, database_url=postgres_url)
    asked = command("admin", "add", "ada")
    ended = subprocess.run(asked, env=env, input=b"p\xe4ssw\xf6rter", capture_output=True, timeout=HANG_SECONDS)
    assert ended.returncode == 2
    assert ended.stderr == b"photochanger: standard input: is not UTF-8\n"


def test_keys_are_rotated_and_revoked(tmp_path: Path, postgres_url: str) -> None:
    at: dict[str, Any] = {"home": tmp_path, "database_url": postgres_url}
    said = done("admin", "rotate-key", **at)
    first = re.fullmatch(r"Access tokens are now signed with key ([0-9a-f]{8})\.\n", said)
    assert first is not None, said
    done("admin", "rotate-key", **at)
    kept = "select id, retired_at is null, sealed from photochanger.signing_keys order by created_at"
    (retired, _) = rows(postgres_url, kept)
    assert retired[:2] == (first[1], False)
    done("admin", "rotate-key", "--revoke", **at)
    ((last, current, sealed),) = rows(postgres_url, kept)
    assert current is True
    assert sealed.startswith("v1.")
    assert audit(postgres_url)[-1] == ("signing_key_rotated", "command line", last)


def test_commands_are_taken_by_a_service_that_runs(tmp_path: Path, postgres_url: str) -> None:
    at: dict[str, Any] = {"home": tmp_path, "database_url": postgres_url}
    settings = {"database_url": postgres_url, "admin_username": "ada", "admin_password": ADMIN_PASSWORD}
    with serving(tmp_path, **settings) as service, service.client() as client:

        def holds(token: str) -> bool:
            answer = client.get("/api/me", headers={"Authorization": f"Bearer {token}"})
            assert answer.status_code in (200, 401), answer.text
            return answer.status_code == 200

        tokens = [log_in(client, "ada", ADMIN_PASSWORD).json()["access_token"]]
        assert holds(tokens[0])
        done("admin", "passwd", "ada", stdin=NEW_PASSWORD, **at)
        assert log_in(client, "ada", ADMIN_PASSWORD).status_code == 401
        tokens.append(log_in(client, "ada", NEW_PASSWORD).json()["access_token"])
        assert eventually(lambda: not holds(tokens[0]))
        assert holds(tokens[1])
        done("admin", "rotate-key", **at)
        tokens.append(log_in(client, "ada", NEW_PASSWORD).json()["access_token"])
        assert holds(tokens[1])
        assert holds(tokens[2])
        done("admin", "rotate-key", "--revoke", **at)
        assert eventually(lambda: not holds(tokens[1]))
        assert not holds(tokens[2])

        def answer(password: str) -> int:
            form, files = {"password": password}, {"fileToUpload": photos.jpeg(640, 480)}
            return client.post("/ingest/slot-001", data=form, files=files).status_code

        assert answer(PASSWORD) == 200
        said = done("ingest-password", stdin=f"{NEW_PASSWORD}\n", **at)
        assert said == "Ingest password changed; a running service applies it within a second.\n"
        assert eventually(lambda: answer(PASSWORD) == 401)
        assert answer(NEW_PASSWORD) == 200
        assert service.stop() == 0
        log = service.log.read_text()
        for hidden in (PASSWORD, ADMIN_PASSWORD, NEW_PASSWORD, *tokens):
            assert hidden not in log
    actions = [action for action, _, _ in audit(postgres_url)]
    assert actions.count("login") == 3
    assert actions.count("login_failed") == 1
    assert "ingest_password_failed" in actions
    assert ("ingest_password_changed", "command line") in [(action, actor) for action, actor, _ in audit(postgres_url)]


FIRST_ADMIN = re.compile(r"Administrator: (\S+), password: (\S+) \(shown only once\)")
FIRST_INGEST = re.compile(r"Ingest password: (\S+) \(shown only once\)")


def test_the_first_start_prints_once_what_opens_the_door(tmp_path: Path, postgres_url: str) -> None:
    settings = {"database_url": postgres_url, "ingest_password": ""}
    set_window(postgres_url, LONG_WINDOW)
    with _started(tmp_path, "serve", **settings) as service, service.client() as client:
        ((name, password),) = FIRST_ADMIN.findall(service.said())
        (ingest_password,) = FIRST_INGEST.findall(service.said())
        assert name == "admin"
        assert log_in(client, name, password).status_code == 200
        form, files = {"password": ingest_password}, {"fileToUpload": photos.jpeg(640, 480)}
        assert client.post("/ingest/slot-001", data=form, files=files).status_code == 200
    with _started(tmp_path, "serve", **settings) as again:
        assert again.address()
        assert "password" not in again.said()
    assert audit(postgres_url) == [("admin_added", "first start", "admin"), ("login", "admin", "admin")]


def test_a_first_password_that_is_configured_is_not_printed(tmp_path: Path, postgres_url: str) -> None:
    settings = {"database_url": postgres_url, "admin_username": "ada", "admin_password": ADMIN_PASSWORD}
    with _started(tmp_path, "serve", **settings) as service:
        assert service.address()
        assert "password" not in service.said()
    assert rows(postgres_url, "select username from photochanger.admins") == [("ada",)]


def test_two_services_that_start_first_together_agree_and_tell_one_password(tmp_path: Path, postgres_url: str) -> None:
    settings = {"database_url": postgres_url, "ingest_password": "", "secret_key": "s" * 32, "workers": "0"}
    one, two = tmp_path / "one", tmp_path / "two"
    with _started(one, "serve", **settings) as first, _started(two, "serve", **settings) as second:
        clients = [first.client(), second.client()]
        said = first.said() + second.said()
        ((name, password),) = FIRST_ADMIN.findall(said)
        assert len(FIRST_INGEST.findall(said)) == 1
        for client in clients:
            with client:
                assert log_in(client, name, password).status_code == 200
    assert rows(postgres_url, "select username from photochanger.admins") == [("admin",)]


def test_a_worker_that_starts_first_prints_the_initial_credentials(tmp_path: Path, postgres_url: str) -> None:
    with _started(tmp_path, "worker", database_url=postgres_url, ingest_password="") as worker:
        eventually(lambda: FIRST_ADMIN.search(worker.said()) or worker.ended())
        said = worker.said()
        assert FIRST_INGEST.search(said), said
        assert FIRST_ADMIN.search(said), said


class _Started:
    """A process of PhotoChanger and what it has printed so far."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log

    def said(self) -> str:
        return self._log.read_text()

    def ended(self) -> bool:
        return self.process.poll() is not None

    def address(self) -> str:
        """Where it listens, once it does; all that a start prints has been printed then."""
        found = eventually(lambda: re.search(r"listens on (\S+)\n", self.said()) or self.ended())
        assert isinstance(found, re.Match), self.said()
        return found[1]

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.address(), verify=NO_TLS, timeout=HANG_SECONDS)


@contextmanager
def _started(home: Path, *arguments: str, **settings: str) -> Iterator[_Started]:
    """The command with these settings on a port of its own, stopped at the end of the block."""
    home.mkdir(exist_ok=True)
    log = home / f"{arguments[0]}.log"
    env = environment(home, port="0", **settings)
    with (
        log.open("wb") as out,
        subprocess.Popen(command(*arguments), env=env, stdout=out, stderr=subprocess.STDOUT) as process,
    ):
        started = _Started(process, log)
        try:
            yield started
        finally:
            process.terminate()
            process.wait(HANG_SECONDS)
