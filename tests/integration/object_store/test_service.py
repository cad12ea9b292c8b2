"""A whole service with a bucket: photo in, picture out, links, erasure, expiry; and a store that dies."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from photochanger.core.domain.slots.slot import Route, RouteEntry

from tests.support import photos
from tests.support.commands import run_command
from tests.support.seaweedfs import SeaweedServer
from tests.support.service import HANG_SECONDS, Service, environment, eventually, rows, serving, set_slot
from tests.support.standins.server import Held
from tests.support.standins.studio import StudioStandIn

from .bucket import Bucket

ADMIN = {"username": "owner", "password": "correct horse battery"}
PHOTO = photos.jpeg(320, 240)
STUDIO_SLOT = "slot-005"
OWN_PAGE = {"Sec-Fetch-Site": "same-origin"}


def path_of(answer: httpx.Response) -> str:
    """The public link of a picture, without the address of the service."""
    assert answer.status_code == 200, answer.text
    return httpx.URL(answer.headers["link"].split(";")[0].strip("<>")).raw_path.decode()


def test_a_photo_from_the_camera_to_its_end(tmp_path: Path, postgres_url: str, bucket: Bucket) -> None:
    settings = {"database_url": postgres_url, "s3_redirect": "true", **bucket.settings}
    first = {"admin_username": ADMIN["username"], "admin_password": ADMIN["password"]}
    with serving(tmp_path, **settings, **first) as service, service.client() as client:
        answer = service.send(PHOTO)
        path = path_of(answer)
        is_served_from_the_bucket(client, path, answer)
        eventually(lambda: kinds(bucket) == ["previews", "previews", "results"])
        assert bucket.content(next(key for key in bucket.names() if key.startswith("results/"))) == answer.content
        is_erased(client, bucket, answer)
        path = path_of(service.send(photos.jpeg(321, 240)))
        eventually(lambda: kinds(bucket) == ["previews", "previews", "results"])
        assert not [request for request in bucket.relay.listings if not is_of_the_sweeper(request)]
        rows(postgres_url, "update photochanger.jobs set result_expires_at = now() - interval '1 h' returning 1")
        swept = run_command("sweep", env=environment(tmp_path, **settings))
        assert (swept.returncode, bucket.names()) == (0, []), swept.stderr
        assert client.get(path).status_code == 410
    assert not (tmp_path / "media").exists()


def kinds(bucket: Bucket) -> list[str]:
    return sorted(key.partition("/")[0] for key in bucket.names())


def is_of_the_sweeper(listing: str) -> bool:
    """Notes of files that were begun while the database was away, and interrupted uploads."""
    return "unrecorded" in listing or "uploads" in listing


def is_served_from_the_bucket(client: httpx.Client, path: str, answer: httpx.Response) -> None:
    redirect = client.get(f"{path}?download=1")
    assert (redirect.status_code, redirect.content) == (302, b"")
    assert redirect.headers["cache-control"] == "no-store"
    picture = httpx.get(redirect.headers["location"], timeout=HANG_SECONDS)
    assert (picture.status_code, picture.content) == (200, answer.content)
    assert picture.headers["content-type"] == answer.headers["content-type"]
    assert picture.headers["content-disposition"].startswith("attachment; filename=")
    part = httpx.get(redirect.headers["location"], headers={"Range": "bytes=2-5"}, timeout=HANG_SECONDS)
    assert (part.status_code, part.content) == (206, answer.content[2:6])
    head = client.head(path)
    assert (head.status_code, head.headers["content-length"]) == (200, str(len(answer.content)))
    own = client.get(path, headers={**OWN_PAGE, "Range": "bytes=2-5"})
    assert (own.status_code, own.content) == (206, answer.content[2:6])
    assert client.get(path, headers={"If-None-Match": head.headers["etag"]}).status_code == 304
    thumbnail = client.get(f"{path}/thumbnail")
    assert (thumbnail.status_code, thumbnail.headers["content-type"]) == (200, "image/webp")


def is_erased(client: httpx.Client, bucket: Bucket, answer: httpx.Response) -> None:
    token = client.post("/api/login", json=ADMIN).json()["access_token"]
    path = path_of(answer)
    link = client.get(path).headers["location"]
    signed_in = {"Authorization": f"Bearer {token}"}
    erased = client.delete(f"/api/jobs/{answer.headers['x-job-id']}", headers=signed_in)
    assert (erased.status_code, bucket.names()) == (204, [])
    assert client.get(path).status_code == 410
    assert httpx.get(link, timeout=HANG_SECONDS).status_code == 404


@pytest.fixture
def studio() -> Iterator[StudioStandIn]:
    """An image service whose calls a test can hold."""
    with StudioStandIn().running_in_thread() as running:
        yield running


def test_a_store_that_is_killed_in_mid_job_costs_no_photo(
    tmp_path: Path, postgres_url: str, bucket: Bucket, seaweedfs: SeaweedServer, studio: StudioStandIn
) -> None:
    settings = {"database_url": postgres_url, "private_hosts": "127.0.0.1", **bucket.settings}
    held = Held()
    studio.script(held)
    try:
        with serving(tmp_path, **settings) as service, ThreadPoolExecutor(1) as cameras:
            set_slot(postgres_url, STUDIO_SLOT, studio_route(studio))
            sent = cameras.submit(service.send, PHOTO, STUDIO_SLOT)
            eventually(lambda: held.has_begun)
            seaweedfs.kill()
            try:
                held.release()
                eventually(lambda: is_waiting_for_the_store(service))
                with service.client() as client:
                    eventually(lambda: client.get("/readyz").status_code == 503)
            finally:
                seaweedfs.start()
            answer = sent.result()
            assert answer.status_code == 200
            assert answer.content.startswith(b"\x89PNG")
            eventually(lambda: kinds(bucket).count("results") == 1 and kinds(bucket).count("payloads") == 0)
    finally:
        held.release()


def studio_route(studio: StudioStandIn) -> Route:
    return Route(entries=(RouteEntry("http", "image_edit", {"url": f"{studio.url}/render"}),))


def is_waiting_for_the_store(service: Service) -> bool:
    return "waits for the media store" in service.log.read_text()


@pytest.mark.parametrize(
    ("wrong", "variable"),
    [
        ({"s3_bucket": "no-such-bucket"}, "PHOTOCHANGER_S3_BUCKET"),
        ({"s3_secret_access_key": "another-secret"}, "PHOTOCHANGER_S3_SECRET_ACCESS_KEY"),
    ],
    ids=["bucket", "secret"],
)
def test_a_start_with_a_bucket_that_cannot_be_used_is_refused(
    tmp_path: Path, postgres_url: str, bucket: Bucket, wrong: dict[str, str], variable: str
) -> None:
    settings = {"database_url": postgres_url, "port": "0", **bucket.settings, **wrong}
    refused = run_command("serve", env=environment(tmp_path, **settings))
    assert (refused.returncode, len(refused.stderr.splitlines())) == (2, 1), refused.stderr
    assert refused.stderr.startswith(f"photochanger: {variable}")
    assert bucket.settings["s3_secret_access_key"] not in refused.stderr


def test_doctor_examines_the_bucket(tmp_path: Path, postgres_url: str, bucket: Bucket) -> None:
    ended = run_command("doctor", env=environment(tmp_path, database_url=postgres_url, **bucket.settings))
    said = ended.stdout + ended.stderr
    lines = {line[4:].partition(":")[0].strip(): line for line in said.splitlines()}
    assert lines.get("bucket", "").startswith("ok"), said
    assert "lifecycle rule" in lines
    assert bucket.names() == []
