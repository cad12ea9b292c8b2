"""Public links: ranges, validators, HEAD, saving, and the end of their time."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import httpx
import msgspec
import pytest
from photochanger.core.domain.job import replace_result
from photochanger.core.domain.media import MediaKind, one_chunk
from photochanger.core.ports.provider import ProviderRequest, Rejected

from tests.support import photos
from tests.support.http_server import PICTURE, Service, serving

pytestmark = pytest.mark.anyio

ETAG = f'"{hashlib.sha256(PICTURE).hexdigest()}"'


@pytest.fixture
async def link(service: Service) -> str:
    """The public link of a finished picture."""
    answer = await service.ingest()
    return f"/public/results/{answer.headers['x-job-id']}"


async def test_the_link_gives_the_same_bytes_with_an_etag_of_their_content(service: Service, link: str) -> None:
    answer = await service.client.get(link)
    assert (answer.status_code, answer.content) == (200, PICTURE)
    assert answer.headers["etag"] == ETAG
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["content-disposition"].startswith('inline; filename="slot-001-')
    assert answer.headers["cache-control"] == "private, max-age=60"


async def test_download_1_offers_the_picture_for_saving(service: Service, link: str) -> None:
    answer = await service.client.get(link, params={"download": "1"})
    assert answer.headers["content-disposition"].startswith("attachment; ")


@pytest.mark.parametrize("tags", [ETAG, f'W/{ETAG}, "other"', "*"])
async def test_who_has_the_picture_is_not_sent_it_again(service: Service, link: str, tags: str) -> None:
    answer = await service.client.get(link, headers={"If-None-Match": tags})
    assert (answer.status_code, answer.content) == (304, b"")
    assert answer.headers["etag"] == ETAG


async def test_another_etag_is_sent_the_whole_picture(service: Service, link: str) -> None:
    assert (await service.client.get(link, headers={"If-None-Match": '"other"'})).content == PICTURE


@pytest.mark.parametrize(
    ("wanted", "start", "end"),
    [
        ("bytes=0-9", 0, 10),
        ("bytes=10-", 10, len(PICTURE)),
        ("bytes=-7", len(PICTURE) - 7, len(PICTURE)),
        (f"bytes=5-{10**15}", 5, len(PICTURE)),
        (f"bytes=-{10**15}", 0, len(PICTURE)),
        ("bytes=0-0", 0, 1),
    ],
)
async def test_one_range_is_served_alone(service: Service, link: str, wanted: str, start: int, end: int) -> None:
    answer = await service.client.get(link, headers={"Range": wanted})
    assert (answer.status_code, answer.content) == (206, PICTURE[start:end])
    assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/{len(PICTURE)}"
    assert answer.headers["content-length"] == str(end - start)


@pytest.mark.parametrize("wanted", [f"bytes={len(PICTURE)}-", "bytes=-0", f"bytes={10**15}-{10**16}"])
async def test_a_range_outside_of_the_picture_is_a_416(service: Service, link: str, wanted: str) -> None:
    answer = await service.client.get(link, headers={"Range": wanted})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{len(PICTURE)}"


@pytest.mark.parametrize("wanted", ["bytes=0-1,4-5", "bytes=9-1", "lines=1-2", "bytes=-", "bytes=" + "9" * 5000 + "-"])
async def test_a_range_that_is_not_one_range_of_bytes_is_ignored(service: Service, link: str, wanted: str) -> None:
    answer = await service.client.get(link, headers={"Range": wanted})
    assert (answer.status_code, answer.content) == (200, PICTURE)


async def test_a_range_of_another_version_gets_the_whole_picture(service: Service, link: str) -> None:
    matching = await service.client.get(link, headers={"Range": "bytes=0-1", "If-Range": ETAG})
    other = await service.client.get(link, headers={"Range": "bytes=0-1", "If-Range": '"other"'})
    assert (matching.status_code, other.status_code) == (206, 200)


async def test_head_tells_everything_but_the_picture(service: Service, link: str) -> None:
    answer = await service.client.head(link)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == str(len(PICTURE))
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["etag"] == ETAG


async def test_the_thumbnail_is_a_small_webp_made_when_it_is_asked_for(service: Service) -> None:
    async def large(_: object) -> bytes:
        return photos.jpeg(1500, 1000)

    service.provider.script = large
    job_id = (await service.ingest()).headers["x-job-id"]
    for _ in range(2):
        answer = await service.client.get(f"/public/results/{job_id}/thumbnail")
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "image/webp"
        assert max(photos.pixels(answer.content).size) == 512
        assert len(answer.content) <= 64 * 1024
    again = await service.client.get(
        f"/public/results/{job_id}/thumbnail", headers={"If-None-Match": answer.headers["etag"]}
    )
    assert again.status_code == 304


async def test_an_expired_result_is_410_although_its_file_still_lies_there(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        link = f"/public/results/{(await service.ingest()).headers['x-job-id']}"
        job = await service.only_job()
        assert job.result is not None
        over = msgspec.structs.replace(job.result, expires_at=datetime.now(UTC) - timedelta(seconds=1))
        service.database.jobs[job.id] = replace_result(job, over)
        assert len(await service.files(MediaKind.RESULTS)) == 1
        for path in (link, f"{link}/thumbnail"):
            assert_problem(await service.client.get(path), 410, "expired")


async def test_a_media_object_is_served_until_its_time_is_over(service: Service) -> None:
    media = await service.opened.media.register(one_chunk(PICTURE), mime="image/jpeg", max_bytes=len(PICTURE))
    answer = await service.client.get(f"/public/media/{media.id}")
    assert (answer.status_code, answer.content) == (200, PICTURE)


@pytest.mark.parametrize(
    "name", ["01980000-0000-7000-8000-000000000000", "no-uuid", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "%00", "x" * 2000]
)
@pytest.mark.parametrize("path", ["/public/results/{}", "/public/results/{}/thumbnail", "/public/media/{}"])
async def test_what_never_existed_is_a_404(service: Service, path: str, name: str) -> None:
    assert_problem(await service.client.get(path.format(name)), 404, "not_found")
    assert (await service.client.head(path.format(name))).status_code == 404


async def test_a_job_without_a_picture_has_no_link(service: Service) -> None:
    async def refuse(request: ProviderRequest) -> bytes:
        raise Rejected("This provider does not do this.")

    service.provider.script = refuse
    job_id = (await service.ingest()).headers["x-job-id"]
    assert_problem(await service.client.get(f"/public/results/{job_id}"), 404, "not_found")


@pytest.mark.parametrize("token", ["", "wrong", "ü"])
async def test_a_job_opens_to_its_token_alone(service: Service, token: str) -> None:
    promised = (await service.ingest(headers={"Prefer": "respond-async"})).json()
    right = promised["status_url"]
    assert (await service.client.get(right)).status_code == 200
    params = {"token": token}
    wrong = await service.client.get(right.split("?")[0], params=params)
    assert_problem(wrong, 404, "job_not_found")
    unknown = await service.client.get(f"/api/jobs/{uuid4()}", params=params)
    assert unknown.json() == wrong.json()
    assert_problem(await service.client.get(right.split("?")[0]), 401, "invalid_token")


def assert_problem(answer: httpx.Response, status: int, code: str) -> None:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
