"""Archives of finished pictures over HTTP: whole, of what was asked for, and without leaks where a client goes."""

from __future__ import annotations

import csv
import io
import json
import os
import zipfile
from pathlib import Path

import httpx
import pytest
from photochanger.core.domain.accounts import Permission
from photochanger.core.domain.errors import StorageUnavailable
from photochanger.core.ports.media_store import MediaStore

from tests.support import photos
from tests.support.administration import Administrator, described, fields_of, token_of
from tests.support.http_server import PICTURE, Gate, Service, until
from tests.support.raw_http import connected

pytestmark = pytest.mark.anyio

PATH = "/api/results/archive"


async def finished(service: Service, *slot_ids: str) -> list[str]:
    return [str((await service.ingest(slot_id)).headers["x-job-id"]) for slot_id in slot_ids]


async def archive(admin: Administrator, **wanted: object) -> zipfile.ZipFile:
    answer = await admin("POST", PATH, json_body=wanted)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["content-disposition"].startswith('attachment; filename="pictures-')
    opened = zipfile.ZipFile(io.BytesIO(answer.content))
    assert opened.testzip() is None
    return opened


def jobs_in(opened: zipfile.ZipFile) -> list[str]:
    rows = csv.DictReader(io.StringIO(opened.read("pictures.csv").decode("utf-8-sig"), newline=""))
    return [row["job_id"] for row in rows if not row["missing"]]


async def test_pictures_are_downloaded_by_selection_slot_and_range(service: Service, admin: Administrator) -> None:
    first, second, third = await finished(service, "slot-001", "slot-002", "slot-003")
    ends = [item["completed_at"] for item in (await admin.get("/api/results"))["items"]]
    everything = await archive(admin)
    assert jobs_in(everything) == [third, second, first]
    *names, table = everything.namelist()
    assert [name.split("/")[0] for name in names] == ["slot-003", "slot-002", "slot-001"]
    assert (all(everything.read(name) == PICTURE for name in names), table) == (True, "pictures.csv")
    hidden = await admin("PUT", f"/api/results/{first}/visibility", json_body={"visibility": "hidden"})
    assert hidden.status_code == 200
    assert jobs_in(await archive(admin, job_ids=[first, third])) == [third, first]
    assert jobs_in(await archive(admin, slot_ids=["slot-002", "slot-099"])) == [second]
    assert jobs_in(await archive(admin, **{"from": ends[1], "to": ends[0]})) == [second]
    assert jobs_in(await archive(admin, visibility="shown")) == [third, second]
    assert jobs_in(await archive(admin, slot_ids=["slot-099"])) == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"job_ids": []}, "job_ids"),
        ({"job_ids": ["x"]}, "job_ids.0"),
        ({"job_ids": ["01980000-0000-7000-8000-000000000000"] * 5001}, "job_ids"),
        ({"slot_ids": []}, "slot_ids"),
        ({"from": "2026-05-01T00:00:00"}, "from"),
        ({"visibility": "pending"}, "visibility"),
        ({"occasion_id": 1}, "occasion_id"),
    ],
)
async def test_a_selection_that_is_none_is_refused(admin: Administrator, body: object, field: str) -> None:
    problem = described(await admin("POST", PATH, json_body=body), 422, "invalid_settings")
    assert fields_of(problem) == {field}


async def test_archives_need_jobs_read(service: Service) -> None:
    others = [one for one in Permission if one is not Permission.JOBS_READ]
    stranger = Administrator(service, await token_of(service, *others))
    described(await stranger("POST", PATH, json_body={}), 403, "permission_denied")


async def test_a_store_that_is_away_is_a_503_before_the_archive_begins(
    service: Service, admin: Administrator, monkeypatch: pytest.MonkeyPatch
) -> None:
    await finished(service, "slot-001")
    store = await service.opened.container.get(MediaStore)

    async def fail(*_: object, **__: object):  # type: ignore[no-untyped-def]
        raise StorageUnavailable("unreachable")
        yield b""

    monkeypatch.setattr(store, "open", fail)
    described(await admin("POST", PATH, json_body={}), 503, "storage_unavailable")


async def test_an_archive_that_breaks_off_is_not_taken_for_a_whole_one(
    service: Service, admin: Administrator, monkeypatch: pytest.MonkeyPatch
) -> None:
    await finished(service, "slot-001", "slot-001")
    store = await service.opened.container.get(MediaStore)
    read, calls = store.open, []

    async def fail_later(key: object, **options: object):  # type: ignore[no-untyped-def]
        calls.append(key)
        if len(calls) == 2:
            raise StorageUnavailable("unreachable")
        async for chunk in read(key, **options):  # type: ignore[arg-type]
            yield chunk

    monkeypatch.setattr(store, "open", fail_later)
    with pytest.raises(httpx.RemoteProtocolError):
        await admin("POST", PATH, json_body={})


async def test_a_client_that_hangs_up_or_reads_nothing_leaks_no_file(
    service: Service, admin: Administrator, tmp_path: Path
) -> None:
    gate = Gate(photos.noise(1200, 1000))
    gate.opened.set()
    service.provider.script = gate
    await finished(service, "slot-001", "slot-001")
    body = json.dumps({}).encode()
    head = f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {admin.token}\r\n"
    request = f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body

    async def reading() -> bool:
        return open_results(tmp_path) == 1

    async def closed() -> bool:
        return open_results(tmp_path) == 0

    for reads in (0, 70_000):
        async with connected(service.port, receive_buffer=2048) as client:
            client.writer.transport.pause_reading()  # type: ignore[attr-defined]
            client.writer.write(request)
            await until(reading)
            if reads:
                client.writer.transport.resume_reading()  # type: ignore[attr-defined]
                await client.reader.readexactly(reads)
        await until(closed)


def open_results(home: Path) -> int:
    """The number of results of the service in this folder that this process has open."""
    links = []
    for entry in Path("/proc/self/fd").iterdir():
        try:
            links.append(os.readlink(entry))
        except FileNotFoundError:
            continue
    return sum(link.startswith(str(home)) and "/results/" in link for link in links)
