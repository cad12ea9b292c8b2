"""`GET /api/slots/{slot_id}/last-request`: an operator sees what the camera sent, and never a password."""

from __future__ import annotations

from typing import Any

import pytest
from photochanger.core.domain.slots.slot import RouteEntry

from tests.support import photos
from tests.support.administration import Administrator, described
from tests.support.http_server import END, PASSWORD, Service, part, until

pytestmark = pytest.mark.anyio

JPEG = photos.jpeg(64, 48)


async def seen(admin: Administrator, slot_id: str, *, status: int | None) -> dict[str, Any]:
    """The slot's last request, once it is written; it has to be that with this answer."""
    answer: dict[str, Any] = {}

    async def written() -> bool:
        answer.update(await admin.get(f"/api/slots/{slot_id}/last-request"))
        return answer["request"] is not None

    await until(written)
    assert PASSWORD not in str(answer)
    request: dict[str, Any] = answer["request"]
    assert request["status"] == status, request
    return request


def codes(request: dict[str, Any]) -> list[str]:
    return [finding["code"] for finding in request["findings"]]


async def test_a_photo_that_went_through(service: Service, admin: Administrator) -> None:
    empty = await admin.get("/api/slots/slot-001/last-request")
    assert empty["request"] is None
    assert empty["expected"] == {
        "method": "POST",
        "password_field": "password",
        "file_fields": ["fileToUpload", "file"],
    }
    headers = {"User-Agent": "DSLR Remote Pro", "Authorization": "Basic c2VjcmV0", "Cookie": "session=1"}
    answer = await service.ingest(photo=JPEG, headers=headers, profile="wedding", pin=PASSWORD, api_token="abc")
    assert answer.status_code == 200
    request = await seen(admin, "slot-001", status=200)
    assert request["job_id"] == answer.headers["x-job-id"]
    assert request["password"] == "right"
    assert request["complete"] is True
    assert request["findings"] == []
    assert request["address"] == "127.0.0.1"
    assert request["fields"] == [
        {"name": "profile", "value": "wedding"},
        {"name": "pin", "value": None},
        {"name": "api_token", "value": None},
    ]
    assert request["file"] == {
        "field": "fileToUpload",
        "filename": "IMG_0001.JPG",
        "content_type": "image/jpeg",
        "size_bytes": len(JPEG),
        "sniffed_type": "image/jpeg",
    }
    assert {"name": "user-agent", "value": "DSLR Remote Pro"} in request["headers"]
    assert not {"authorization", "cookie"} & {header["name"] for header in request["headers"]}


async def test_requests_that_were_refused_are_explained(service: Service, admin: Administrator) -> None:
    """Each on a slot of its own, so that none waits for the next writing."""
    await service.post_form("slot-001", part("password", PASSWORD) + part("photo", JPEG, filename="a.jpg") + END)
    request = await seen(admin, "slot-001", status=400)
    assert codes(request) == ["file_field_wrong"]
    assert request["findings"][0]["detail"] == "The photo is in a field 'photo'; expected 'fileToUpload' or 'file'."
    assert request["file"]["field"] == "photo"

    await service.ingest("slot-002", password="hunter2 hunter2", guest="Ada")
    request = await seen(admin, "slot-002", status=401)
    assert codes(request) == ["password_wrong"]
    assert request["password"] == "wrong"
    assert "hunter2" not in str(request)

    body = part("Password", "hunter2") + part("file", JPEG, filename="a.jpg") + END
    await service.post_form("slot-003", body)
    request = await seen(admin, "slot-003", status=400)
    assert codes(request) == ["password_field_wrong"]
    assert request["password"] == "missing"
    assert "hunter2" not in str(request)

    await service.post_form("slot-004", b"{}", content_type="application/json")
    request = await seen(admin, "slot-004", status=400)
    assert (request["code"], codes(request)) == ("invalid_multipart", ["not_a_form"])

    await service.change_slot("slot-005", active=True, entries=(RouteEntry("scripted", "any"),))
    await service.ingest("slot-005", photo=b"%PDF-1.7 this is not a picture at all, is it")
    request = await seen(admin, "slot-005", status=415)
    assert request["file"]["sniffed_type"] is None
    assert codes(request) == ["unsupported_media_type"]

    await service.change_slot("slot-006", active=False)
    await service.ingest("slot-006")
    assert codes(await seen(admin, "slot-006", status=404)) == ["slot_disabled"]

    answer = await service.client.put("/ingest/slot-007", content=JPEG)
    assert answer.status_code == 405
    request = await seen(admin, "slot-007", status=405)
    assert (request["method"], codes(request)) == ("PUT", ["method_not_allowed"])

    await service.post_form("slot-099", b"")
    described(await admin("GET", "/api/slots/slot-099/last-request"), 404, "slot_not_found")


async def test_a_client_that_hangs_up_is_seen(service: Service, admin: Administrator) -> None:
    _, writer = await service.connect()
    body = part("password", PASSWORD) + part("fileToUpload", JPEG, filename="a.jpg")
    head = (
        "POST /ingest/slot-001 HTTP/1.1\r\nHost: booth\r\nContent-Type: multipart/form-data; boundary=camera-7b1e\r\n"
    )
    writer.write(head.encode() + f"Content-Length: {len(body) + 1000}\r\n\r\n".encode() + body)
    await writer.drain()
    writer.close()
    request = await seen(admin, "slot-001", status=None)
    assert (request["code"], codes(request)) == ("client_gone", ["client_gone"])
    assert request["complete"] is False


@pytest.mark.parametrize("right", [True, False])
async def test_password_in_the_header_is_reported_too(service: Service, admin: Administrator, right: bool) -> None:
    body = part("other", "", filename="") + part("fileToUpload", JPEG, filename="a.jpg") + END
    headers = {"Authorization": f"Bearer {PASSWORD if right else 'wrong'}"}
    status = 200 if right else 401
    assert (await service.post_form("slot-001", body, headers=headers)).status_code == status
    request = await seen(admin, "slot-001", status=status)
    assert request["password"] == ("right" if right else "wrong")
    assert request["file"]["field"] == "fileToUpload"
    assert codes(request) == ([] if right else ["password_wrong"])


async def test_the_password_of_a_slot_is_left_out_wherever_it_was_typed(service: Service, admin: Administrator) -> None:
    """Also where the form has no password, and none was checked since the start."""
    assert (await admin.change_slot("slot-002", ingest_password="of the rented booth")).status_code == 200
    body = (
        part("pin", "of the rented booth") + part("old", PASSWORD) + part("fileToUpload", JPEG, filename="a.jpg") + END
    )
    await service.post_form("slot-002", body)
    request = await seen(admin, "slot-002", status=400)
    assert request["fields"] == [{"name": "pin", "value": None}, {"name": "old", "value": None}]
    assert request["password"] == "missing"
