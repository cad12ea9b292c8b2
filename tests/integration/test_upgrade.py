"""The data of an older version under this one: everything is there, and goes on.

The data were made by `scripts/previous-release` with the last commit of version 0.1.0, whose schema is 0001.
"""

from __future__ import annotations

import gzip
import hashlib
import subprocess
import tarfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import httpx
import msgspec
import pytest
from photochanger.adapters.postgres import filling
from photochanger.core.domain.accounts import Permission
from photochanger.entrypoints.cli.backup import Manifest

from tests.support import older_version, photos
from tests.support.service import command, environment, rows, serving

UPGRADES = Path(__file__).parents[1] / "upgrades"


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    """The backup that the older version made."""
    file = tmp_path / "backup.tar"
    file.write_bytes(gzip.decompress((UPGRADES / "0.1.0.tar.gz").read_bytes()))
    return file


def in_place(home: Path, url: str, backup: Path) -> None:
    """A data folder and a database as the older version left them."""
    home.mkdir()
    with tarfile.open(backup) as tar:
        manifest = msgspec.json.decode(tar.extractfile("manifest.json").read(), type=Manifest)
        assert (manifest.version, manifest.revision) == ("0.1.0", "0001")
        with filling(url, manifest.revision) as target:
            for table in manifest.tables:
                content = tar.extractfile(f"tables/{table.name}.copy")
                assert content is not None
                target.fill(table, iter(partial(content.read, 65536), b""))
            target.finish(manifest.rows)
        files = [member for member in tar if member.name == "secret.key" or member.name.startswith("media/")]
        tar.extractall(home, files, filter="data")
    (home / "secret.key").chmod(0o600)
    assert rows(url, "select version_num from photochanger.alembic_version") == [("0001",)]


def restored(home: Path, url: str, backup: Path) -> None:
    """The backup of the older version, restored by this one."""
    settings = environment(home, database_url=url)
    done = subprocess.run((*command("restore"), str(backup)), env=settings, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize("bring", [in_place, restored])
def test_data_of_the_previous_version_are_kept_and_used(
    tmp_path: Path, backup: Path, postgres_url: str, bring: Callable[[Path, str, Path], None]
) -> None:
    home = tmp_path / "home"
    bring(home, postgres_url, backup)
    own = {"database_url": postgres_url, "ingest_password": older_version.INGEST_PASSWORD, "workers": "1"}
    with serving(home, **own, sync_response_seconds="60") as service, service.client() as client:
        token = client.post("/api/login", json=older_version.ADMIN).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        the_configuration_is_kept(client)
        the_pictures_are_kept(client)
        the_booths_go_on(client)


def read(client: httpx.Client, path: str) -> dict:
    answer = client.get(path)
    assert answer.status_code == 200, f"{path}: {answer.text}"
    return answer.json()


def the_configuration_is_kept(client: httpx.Client) -> None:
    assert set(read(client, "/api/me")["permissions"]) == {str(permission) for permission in Permission}
    slots = {slot["id"]: slot for slot in read(client, "/api/slots")["items"]}
    assert len(slots) == 15
    assert slots["slot-002"]["name"] == "Комикс"
    assert [step["operation_id"] for step in slots["slot-002"]["route"]] == ["stylize", "enhance"]
    assert slots["slot-002"]["route"][0]["settings"] == {"look": "comic"}
    assert slots["slot-003"]["ingest_password_set"]
    assert not slots["slot-004"]["active"]
    assert read(client, "/api/slots/slot-005/webhook")["url"] == older_version.WEBHOOK
    (template,) = read(client, "/api/template-media")["items"]
    assert template["name"] == "Frame from before"
    settings = read(client, "/api/settings")
    assert settings["result_retention_hours"] == older_version.RETENTION_HOURS
    (gemini,) = (provider for provider in read(client, "/api/providers")["items"] if provider["id"] == "gemini")
    assert gemini["key"]["state"] == "stored", "the key from before can be decrypted"


def the_pictures_are_kept(client: httpx.Client) -> None:
    jobs = [read(client, f"/api/jobs/{job['job_id']}") for job in read(client, "/api/jobs")["items"]]
    assert {job["state"] for job in jobs} == {"succeeded"}
    assert sorted(job["metadata"].get("guest", "") for job in jobs) == sorted(["", *older_version.GUESTS])
    for job in jobs:
        picture = client.get(f"/public/results/{job['job_id']}")
        assert hashlib.sha256(picture.content).hexdigest() == job["result"]["sha256"]
        assert client.get(f"/public/results/{job['job_id']}/thumbnail").status_code == 200
        assert job["logs"][0]["event"] == "received"
    listed = read(client, "/api/results")["items"]
    assert {item["job_id"] for item in listed} == {job["job_id"] for job in jobs}


def the_booths_go_on(client: httpx.Client) -> None:
    guest = older_version.GUESTS[0]
    before = {job["job_id"] for job in read(client, "/api/jobs")["items"]}
    form = {"password": older_version.INGEST_PASSWORD, "guest": guest}
    again = {"Idempotency-Key": guest.encode().hex()}
    same = client.post("/ingest/slot-002", data=form, files={"fileToUpload": photos.jpeg(64, 48)}, headers=again)
    assert same.status_code == 200
    assert same.headers["x-job-id"] in before, "the key of a photo from before is its job"
    for slot_id, password in (("slot-002", older_version.INGEST_PASSWORD), ("slot-003", older_version.SLOT_PASSWORD)):
        photo = {"fileToUpload": photos.jpeg(64, 48)}
        answer = client.post(f"/ingest/{slot_id}", data={"password": password}, files=photo)
        assert answer.status_code == 200, answer.text
        assert answer.headers["x-job-id"] not in before
    assert read(client, "/api/stats/slot-002")["summary"]["success"] == len(older_version.GUESTS) + 1
