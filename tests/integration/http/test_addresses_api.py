"""`GET /api/addresses`, `GET /api/last-requests`, and galleries that begin with a picture."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from photochanger.entrypoints.http.api.addresses import is_loopback

from tests.support.administration import Administrator, described, sign_in
from tests.support.http_server import PASSWORD, Service, serving, until

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("url", "only_here"),
    [
        ("http://localhost:8000", True),
        ("http://LOCALHOST.:8000", True),
        ("http://booth.localhost", True),
        ("http://127.0.0.1:8000/x", True),
        ("http://127.9.9.9", True),
        ("http://[::1]:8000", True),
        ("http://0.0.0.0:8000", True),
        ("http://192.168.1.5:8000", False),
        ("https://booth.example", False),
        ("http://127.example", False),
        ("http://[fe80::1]", False),
    ],
)
def test_addresses_of_the_machine_itself(url: str, *, only_here: bool) -> None:
    assert is_loopback(url) is only_here


async def test_addresses_are_those_of_the_request_or_the_configured_one(
    service: Service, admin: Administrator, tmp_path_factory: pytest.TempPathFactory
) -> None:
    found = await admin.get("/api/addresses")
    assert found == {
        "base_url": f"http://127.0.0.1:{service.port}",
        "configured": False,
        "only_this_machine": True,
        "network_urls": [],  # the service is bound to the machine itself
    }
    home: Path = tmp_path_factory.mktemp("public")
    async with serving(home, public_base_url="https://booth.example", host="0.0.0.0") as public:
        found = await (await sign_in(public)).get("/api/addresses")
        assert (found["base_url"], found["configured"]) == ("https://booth.example", True)
        assert found["only_this_machine"] is False
        assert not [url for url in found["network_urls"] if is_loopback(url)]


async def test_the_last_requests_of_all_slots_say_whose_password_is_wrong(
    service: Service, admin: Administrator
) -> None:
    assert (await service.ingest("slot-002")).status_code == 200
    assert (await service.ingest("slot-001", password="not the one")).status_code == 401

    async def written() -> bool:
        return len((await admin.get("/api/last-requests"))["items"]) == 2

    await until(written)
    found = (await admin.get("/api/last-requests"))["items"]
    assert [(one["slot_id"], one["password"], one["status"]) for one in found] == [
        ("slot-001", "wrong", 401),
        ("slot-002", "right", 200),
    ]
    assert PASSWORD not in str(found)


async def test_a_gallery_begins_with_the_picture_that_is_asked_for(service: Service, admin: Administrator) -> None:
    jobs = [(await service.ingest("slot-001")).headers["x-job-id"] for _ in range(4)]
    elsewhere = (await service.ingest("slot-002")).headers["x-job-id"]
    until_when = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    assert (await admin.change_slot(gallery_open_until=until_when)).status_code == 200
    path = "/public/gallery/slot-001"
    page = (await service.client.get(f"{path}?picture={jobs[2]}&limit=2")).json()
    assert [item["download_url"].rsplit("/", 1)[1] for item in page["items"]] == [jobs[2], jobs[1]]
    page = (await service.client.get(f"{path}?cursor={page['next_cursor']}")).json()
    assert [item["download_url"].rsplit("/", 1)[1] for item in page["items"]] == [jobs[0]]
    for unknown in (elsewhere, "01980000-0000-7000-8000-000000000000"):
        described(await service.client.get(f"{path}?picture={unknown}"), 404, "not_found")
    described(await service.client.get(f"{path}?picture=x"), 400, "invalid_request")
