"""Hosts of one database have one secret key: a host with another key does not start."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest
from photochanger.adapters.postgres import EmbeddedServer

from tests.support.commands import run_command
from tests.support.postgres_server import fresh_database
from tests.support.service import Service, environment, rows, serving

ADMIN = {"username": "admin", "password": "a long administrator password"}
KEY, OTHER_KEY = "k" * 32, "o" * 32


def run(*arguments: str, home: Path, stdin: str = "", **settings: str) -> subprocess.CompletedProcess[str]:
    return run_command(*arguments, env=environment(home, **settings), stdin=stdin)


def token(service: Service) -> dict[str, str]:
    with service.client() as client:
        answer = client.post("/api/login", json=ADMIN)
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


def me(service: Service, header: dict[str, str]) -> httpx.Response:
    with service.client() as client:
        return client.get("/api/me", headers=header)


def refused(*arguments: str, **options: Any) -> str:
    """The one line that a refused command prints."""
    ended = run(*arguments, **options)
    assert ended.returncode == 2, ended.stderr
    (line,) = ended.stderr.splitlines()
    assert line.startswith("photochanger: PHOTOCHANGER_SECRET_KEY: ")
    assert "photochanger admin change-secret-key" in line
    return line


@pytest.fixture
def settings(tmp_path: Path, postgres_url: str) -> dict[str, str]:
    """What every host of the database has in common, without the key."""
    return {
        "database_url": postgres_url,
        "media_root": str(tmp_path / "media"),
        "admin_password": ADMIN["password"],
        "workers": "0",
    }


def test_a_token_of_one_host_counts_on_another_with_the_same_key_and_no_other_host_starts(
    tmp_path: Path, settings: dict[str, str], postgres_url: str
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    with serving(first, secret_key=KEY, **settings) as one, serving(second, secret_key=KEY, **settings) as two:
        header = token(one)
        assert me(two, header).status_code == 200

        another = {"home": tmp_path / "another", **settings}
        for command in ("serve", "worker"):
            ran = another | {"workers": "1", "port": "0"}
            assert "is set, and differs" in refused(command, secret_key=OTHER_KEY, **ran)
            assert "is not set." in refused(command, **ran)
        assert not (tmp_path / "another" / "secret.key").exists()
        assert me(two, header).status_code == 200, "a refused host has changed nothing"
    ((fingerprint,),) = rows(postgres_url, "select fingerprint from photochanger.secret_key")
    assert KEY not in fingerprint


def test_the_key_file_of_another_home_is_another_key(tmp_path: Path, settings: dict[str, str]) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    assert run("admin", "rotate-key", home=first, **settings).returncode == 0
    kept = (first / "secret.key").read_text().strip()
    second.mkdir(mode=0o700)
    (second / "secret.key").write_text(OTHER_KEY)
    assert str(second / "secret.key") in refused("serve", home=second, **settings, port="0")
    with serving(second, secret_key=kept, **settings) as service:
        assert me(service, token(service)).status_code == 200


def test_commands_that_use_the_key_need_the_right_one_and_the_others_none(
    tmp_path: Path, settings: dict[str, str], postgres_url: str
) -> None:
    right, wrong = {"home": tmp_path, "secret_key": KEY, **settings}, {"home": tmp_path, "secret_key": OTHER_KEY}
    assert run("providers", "set-key", "gemini", stdin="a-key-of-gemini", **right).returncode == 0
    wrong |= settings
    for command in (
        ("providers", "set-key", "openai"),
        ("providers", "check", "gemini"),
        ("admin", "add", "ada"),
        ("admin", "rotate-key"),
        ("ingest-password",),
    ):
        refused(*command, stdin="a long enough password", **wrong)
    assert run("admin", "list", **wrong).returncode == 0
    assert run("backup", str(tmp_path / "with.tar"), **wrong).returncode == 0, "it contains no key"
    (tmp_path / "secret.key").write_text(OTHER_KEY)
    refused("backup", str(tmp_path / "without.tar"), home=tmp_path, **settings)
    assert rows(postgres_url, "select provider_id from photochanger.provider_secrets") == [("gemini",)]

    said = run("doctor", **wrong).stdout
    assert "FIX  shared secret key: this host's key is not that of the other hosts" in said
    assert "ok   shared secret key: is that of the database" in run("doctor", **right).stdout


def test_the_key_is_changed_on_purpose_by_a_command(
    tmp_path: Path, settings: dict[str, str], postgres_url: str
) -> None:
    old, new = {"home": tmp_path, "secret_key": KEY, **settings}, {"home": tmp_path, "secret_key": OTHER_KEY}
    new |= settings
    assert run("providers", "set-key", "gemini", stdin="a-key-of-gemini", **old).returncode == 0
    assert run("admin", "change-secret-key", **new).returncode == 0
    refused("serve", **old)
    with serving(tmp_path, **{**settings, "secret_key": OTHER_KEY}) as service:
        assert me(service, token(service)).status_code == 200
    assert "Cannot decrypt the stored key" in run("doctor", **new).stdout
    query = "select actor from photochanger.audit_log where action = 'secret_key_changed'"
    assert rows(postgres_url, query) == [("command line",)]


def test_a_backup_brings_the_key_and_its_fingerprint(
    tmp_path: Path, settings: dict[str, str], postgres_server: EmbeddedServer
) -> None:
    file, first = tmp_path / "photos.tar", {"home": tmp_path / "first", **settings}
    assert run("admin", "add", "ada", stdin="a long enough password", **first).returncode == 0
    assert run("backup", str(file), **first).returncode == 0
    with fresh_database(postgres_server) as url:
        at = {**settings, "database_url": url, "media_root": str(tmp_path / "restored")}
        restored = run("restore", str(file), home=tmp_path / "second", **at)
        assert restored.returncode == 0, restored.stderr
        assert run("admin", "rotate-key", home=tmp_path / "second", **at).returncode == 0
        refused("admin", "rotate-key", home=tmp_path / "third", **at)


def test_an_embedded_database_follows_the_key_of_its_only_host(tmp_path: Path) -> None:
    assert run("admin", "rotate-key", home=tmp_path).returncode == 0
    changed = run("admin", "rotate-key", home=tmp_path, secret_key=OTHER_KEY)
    assert changed.returncode == 0
    assert "secret key changed" in changed.stderr
    again = run("admin", "rotate-key", home=tmp_path, secret_key=OTHER_KEY)
    assert again.returncode == 0
    assert "secret key changed" not in again.stderr
