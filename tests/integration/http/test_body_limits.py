"""No route reads more than it needs: every one that takes a body says no to one that is too large."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from photochanger.core.domain.accounts import Permission

from tests.support import photos
from tests.support.administration import Administrator, described, token_of
from tests.support.api_routes import filled, routes
from tests.support.http_server import END, FORM, PASSWORD, Service, part, serving

pytestmark = pytest.mark.anyio

_UPLOAD_BYTES = 64 * 1024
_MIB = 1024 * 1024

_FORMS = {
    "/ingest/{slot_id}",
    "/ingest/by/{style}",
    "/api/media/register",
    "/api/template-media/register",
    "/api/slots/{slot_id}/test-run",
}
_JSON = {
    "/api/login",
    "/api/session",
    "/api/slots/{slot_id}",
    "/api/slots/{slot_id}/webhook",
    "/api/settings",
    "/api/media/cache/purge",
    "/api/ingest-keys",
    "/api/admins",
    "/api/me/password",
    "/api/results/archive",
    "/api/results/{job_id}/visibility",
}
_NO_BODY = {
    "/api/slots/{slot_id}/reset_stats",
    "/api/slots/{slot_id}/webhook/secret",
    "/api/webhooks/deliveries/{delivery_id}/redeliver",
    "/api/ready-check",
    "/api/jobs/{job_id}/cancel",
    "/api/logout",
    "/api/providers/{provider_id}/check",
}


def changing() -> Iterator[tuple[str, str]]:
    """The routes that may come with a body."""
    for _, method, path in routes():
        if method in ("POST", "PUT"):
            yield method, path


@pytest.fixture
async def administrator(tmp_path: Path) -> AsyncIterator[Administrator]:
    """Of a service that takes small photos only."""
    async with serving(tmp_path, max_upload_bytes=_UPLOAD_BYTES) as service:
        yield Administrator(service, await token_of(service, *Permission))


async def in_pieces(body: bytes) -> AsyncIterator[bytes]:
    """A body of which no length is told."""
    for start in range(0, len(body), 256 * 1024):
        yield body[start : start + 256 * 1024]


def test_it_is_known_of_every_route_what_body_it_takes() -> None:
    assert {path for _, path in changing()} == _FORMS | _JSON | _NO_BODY


@pytest.mark.parametrize("told", [True, False], ids=["length told", "length not told"])
async def test_a_json_body_that_is_too_large_is_refused_everywhere(administrator: Administrator, told: bool) -> None:
    body = b'{"x": "' + b"y" * 2 * _MIB + b'"}'
    headers = {
        "Authorization": f"Bearer {administrator.token}",
        "Content-Type": "application/json",
        "If-Match": '"1"',
        "X-PhotoChanger-CSRF": "1",
    }
    client = administrator.service.client
    for method, path in changing():
        if path in _JSON:
            content = body if told else in_pieces(body)
            answer = await client.request(method, filled(path), content=content, headers=headers)
            described(answer, 413, "payload_too_large")


@pytest.mark.parametrize("told", [True, False], ids=["length told", "length not told"])
@pytest.mark.parametrize("large", ["fileToUpload", "a field"])
async def test_a_form_that_is_too_large_is_refused_everywhere(
    administrator: Administrator, told: bool, large: str
) -> None:
    password = part("password", PASSWORD)
    picture = part("fileToUpload", photos.jpeg(64, 48) + b"\0" * 2 * _MIB, filename="large.jpg")
    body = (picture if large == "fileToUpload" else part("slot", b"y" * 2 * _MIB)) + END
    headers = {"Authorization": f"Bearer {administrator.token}", "Content-Type": FORM}
    client = administrator.service.client
    for method, path in changing():
        if path in _FORMS:
            sent = password + body if path.startswith("/ingest/") else body
            content = sent if told else in_pieces(sent)
            answer = await client.request(method, filled(path), content=content, headers=headers)
            assert answer.status_code in ((413,) if told or large == "fileToUpload" else (400, 413)), (
                path,
                answer.text,
            )


async def test_where_no_body_is_wanted_none_is_read(administrator: Administrator) -> None:
    service: Service = administrator.service
    for method, path in changing():
        if path in _NO_BODY - {"/api/ready-check"}:  # which tells of its progress while it goes on
            of_this_request = Administrator(service, await token_of(service, *Permission))  # one of them signs out
            answer = await of_this_request(method, filled(path), content=b"y" * 2 * _MIB)
            assert answer.status_code in (200, 204, 404), (path, answer.text)
    assert (await service.client.get("/healthz")).status_code == 200
