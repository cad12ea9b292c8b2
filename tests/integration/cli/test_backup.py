"""`photochanger backup`, `restore` and `db move` on whole services: what was there is there again, byte for byte."""

from __future__ import annotations

import json
import stat
import subprocess
import tarfile
from io import BytesIO
from pathlib import Path

import httpx
import pytest
from photochanger.adapters.postgres import EmbeddedServer
from psycopg.conninfo import make_conninfo

from tests.support import photos
from tests.support.commands import run_command
from tests.support.service import Service, environment, rows, serving

PHOTO = photos.jpeg(320, 240)


def run(*arguments: str, home: Path, stdin: str = "", **settings: str) -> subprocess.CompletedProcess[str]:
    return run_command(*arguments, env=environment(home, **settings), stdin=stdin)


def done(*arguments: str, home: Path, stdin: str = "", **settings: str) -> str:
    ended = run(*arguments, home=home, stdin=stdin, **settings)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def public_path(answer: httpx.Response) -> str:
    """The public link of a picture, without the address of the service that made it."""
    assert answer.status_code == 200, answer.text
    return httpx.URL(answer.headers["link"].split(";")[0].strip("<>")).raw_path.decode()


def used_home(home: Path) -> tuple[str, bytes]:
    """A home with a guest's picture, an administrator and a stored key; the link of the picture and its bytes."""
    done("admin", "add", "ada", stdin="a long enough password", home=home)
    done("providers", "set-key", "gemini", stdin="a-key-of-gemini", home=home)
    with serving(home) as service:
        answer = service.send(PHOTO)
        assert service.stop() == 0
    return public_path(answer), answer.content


def fetched(service: Service, path: str) -> bytes:
    with service.client() as client:
        answer = client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.content


def admins(home: Path, **settings: str) -> list[str]:
    return [admin["username"] for admin in json.loads(done("admin", "list", "--json", home=home, **settings))]


def key_state(home: Path, **settings: str) -> str:
    listed = json.loads(done("providers", "--json", home=home, **settings))["providers"]
    return next(str(provider["key"]["state"]) for provider in listed if provider["id"] == "gemini")


def test_a_backup_of_a_running_service_brings_everything_back_into_an_empty_home(tmp_path: Path) -> None:
    home, other, file = tmp_path / "home", tmp_path / "other", tmp_path / "photos.tar"
    link, picture = used_home(home)
    with serving(home) as service:
        said = done("backup", str(file), home=home)
        assert service.send(PHOTO).status_code == 200
    assert str(file) in said
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []

    done("restore", str(file), home=other)
    assert admins(other) == ["ada"]
    assert key_state(other) == "stored"
    assert "slot-001" in done("slots", "export", home=other)
    with serving(other) as service:
        assert fetched(service, link) == picture
        assert service.send(PHOTO).status_code == 200  # new rows are numbered after the restored ones


def test_a_restore_goes_into_an_empty_home_only(tmp_path: Path) -> None:
    home, file = tmp_path / "home", tmp_path / "photos.tar"
    link, picture = used_home(home)
    done("backup", str(file), home=home)
    refused = run("restore", str(file), home=home)
    assert refused.returncode == 1
    assert "must be empty" in refused.stderr
    with serving(home) as service:
        assert fetched(service, link) == picture


def test_a_backup_replaces_no_file(tmp_path: Path, postgres_url: str) -> None:
    file = tmp_path / "photos.tar"
    file.write_text("something else")
    refused = run("backup", str(file), home=tmp_path / "home", database_url=postgres_url)
    assert refused.returncode == 1
    assert file.read_text() == "something else"


def tar_of(**members: str) -> bytes:
    """A tar archive with these members."""
    archive = BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, text in members.items():
            head = tarfile.TarInfo(name)
            head.size = len(text)
            tar.addfile(head, BytesIO(text.encode()))
    return archive.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"no archive",
        tar_of(**{"photo.jpg": "a picture"}),
        tar_of(**{"manifest.json": "{}"}),
        tar_of(
            **{
                "manifest.json": '{"format":1,"version":"9","revision":"9999","made_at":"2026-01-01T00:00:00Z",'
                '"tables":[],"rows":{}}'
            }
        ),
    ],
    ids=["not a tar", "another tar", "an empty manifest", "a schema of the future"],
)
def test_what_is_no_backup_is_refused_with_one_line_and_changes_nothing(
    tmp_path: Path, postgres_url: str, content: bytes
) -> None:
    file = tmp_path / "photos.tar"
    file.write_bytes(content)
    refused = run("restore", str(file), home=tmp_path / "home", database_url=postgres_url)
    assert refused.returncode == 1
    assert len(refused.stderr.splitlines()) == 1, refused.stderr
    assert rows(postgres_url, "select count(*) from photochanger.jobs") == [(0,)]


def test_the_embedded_database_moves_to_an_external_one(tmp_path: Path) -> None:
    home = tmp_path / "home"
    link, picture = used_home(home)
    with EmbeddedServer.start(tmp_path / "elsewhere") as server:
        server.ensure_database("booths")
        url = server.url("booths")
        keywords = make_conninfo(url)  # libpq's other form
        said = done("db", "move", keywords, home=home)
        assert "PHOTOCHANGER_DATABASE_URL" in said
        assert rows(url, "select count(*), min(state) from photochanger.jobs") == [(1, "succeeded")]
        assert admins(home, database_url=url) == ["ada"]
        assert key_state(home, database_url=url) == "stored"
        with serving(home, database_url=url) as service:
            assert fetched(service, link) == picture
            assert service.send(PHOTO).status_code == 200
        stranger = run("serve", home=tmp_path / "another", database_url=url, port="0")
        assert (stranger.returncode, len(stranger.stderr.splitlines())) == (2, 1), "the fingerprint has moved as well"
        refused = run("db", "move", url, home=home)
        assert refused.returncode == 1
        assert "must be empty" in refused.stderr
        assert rows(url, "select count(*) from photochanger.jobs") == [(2,)]


def test_nothing_moves_while_a_service_runs_on_it(tmp_path: Path, postgres_server: EmbeddedServer) -> None:
    home = tmp_path / "home"
    postgres_server.ensure_database("untouched")
    url = postgres_server.url("untouched")
    with serving(home) as service:
        refused = run("db", "move", url, home=home)
        assert refused.returncode == 1
        assert "Stop it first" in refused.stderr
        assert rows(url, "select to_regnamespace('photochanger')") == [(None,)]
        assert service.send(PHOTO).status_code == 200


def test_where_nothing_is_embedded_nothing_moves(tmp_path: Path, postgres_url: str) -> None:
    assert run("db", "move", postgres_url, home=tmp_path).returncode == 2
    assert "must be a URL" in run("db", "move", "mysql://host/photos", home=tmp_path).stderr
    refused = run("db", "move", postgres_url, home=tmp_path, database_url=postgres_url)
    assert refused.returncode == 2
    assert "PHOTOCHANGER_DATABASE_URL" in refused.stderr
