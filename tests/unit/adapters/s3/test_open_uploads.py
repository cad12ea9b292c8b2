"""Lists of interrupted uploads that come in pages, which the server of the other tests does not make."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from photochanger.adapters.s3.bucket import Bucket, OpenUpload
from photochanger.adapters.s3.credentials import credentials_of
from photochanger.adapters.s3.faults import S3Unavailable
from photochanger.adapters.s3.settings import S3Settings

from tests.support.seaweedfs import PATIENT

pytestmark = pytest.mark.anyio

BEGUN_AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
UPLOADS = [OpenUpload(f"p/{key}", f"id-{number}", BEGUN_AT) for number, key in enumerate("aabcc")]


class Service(ThreadingHTTPServer):
    """Two uploads in a page, by the rules of S3."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Pages)
        self.obeys_markers = True
        self.speaks_xml = True
        self.pages = 0


class _Pages(BaseHTTPRequestHandler):
    server: Service

    def do_GET(self) -> None:
        query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        after = (query.get("key-marker", ""), query.get("upload-id-marker", ""))
        left = [each for each in UPLOADS if not self.server.obeys_markers or (each.key, each.id) > after]
        listed = "".join(
            f"<Upload><Key>{each.key}</Key><UploadId>{each.id}</UploadId><Initiated>2026-01-02T03:04:05.000Z</Initiated>"
            "</Upload>"
            for each in left[:2]
        )
        self.server.pages += 1
        self.send_response(200)
        self.end_headers()
        page = (
            '<?xml version="1.0"?><ListMultipartUploadsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<IsTruncated>{str(len(left) > 2).lower()}</IsTruncated>{listed}</ListMultipartUploadsResult>"
        )
        self.wfile.write(page.encode() if self.server.speaks_xml else b"<html><br>")

    def log_message(self, format: str, *args: object) -> None:
        """Keep the output of the tests clean."""


@pytest.fixture
def service() -> Iterator[Service]:
    with Service() as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        yield server
        server.shutdown()
        thread.join()


async def uploads(service: Service) -> list[OpenUpload]:
    settings = S3Settings(
        bucket="photos",
        endpoint=f"http://127.0.0.1:{service.server_port}",
        access_key_id="AKIA",
        secret_access_key="secret",
    )
    bucket = Bucket(settings, credentials_of(settings), PATIENT)
    try:
        return [each async for each in bucket.open_uploads("p/")]
    finally:
        await bucket.close()


async def test_all_pages_are_read(service: Service) -> None:
    assert await uploads(service) == UPLOADS
    assert service.pages == 3


async def test_a_service_without_pages_does_not_hold_the_sweeper_for_ever(service: Service) -> None:
    service.obeys_markers = False
    assert await uploads(service) == [*UPLOADS[:2], *UPLOADS[:2]]


async def test_an_answer_that_is_not_xml_is_a_fault(service: Service) -> None:
    service.speaks_xml = False
    with pytest.raises(S3Unavailable, match="cannot be read"):
        await uploads(service)
