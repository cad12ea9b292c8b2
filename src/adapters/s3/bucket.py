"""The requests to a bucket that obstore does not offer: each step of a multipart upload, and what is asked about it.

obstore hides the id of an upload, so that one that was interrupted could be neither continued nor removed.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator, Collection, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from xml.sax.saxutils import escape

import httpx2
import msgspec

from ..system_clock import SYSTEM_CLOCK
from .credentials import CredentialSource
from .faults import S3Unavailable, error_code, refused, too_slow, unreachable
from .settings import S3Bounds, S3Settings
from .signing import Request, path_of, signed_headers, signed_link
from .xml_answers import parse_xml, text_of

_MAX_ANSWER_BYTES = 8 * 1024 * 1024
_PIECE_BYTES = 256 * 1024
_REPEATS = 2
_NOT_DONE = (429, 503)
_SHORT = (None, 500, 502, 504, *_NOT_DONE)
_PAUSE_SECONDS = 0.05
_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
_WRITE_ID = "x-amz-meta-write"

_Body = bytes | bytearray


class OpenUpload(msgspec.Struct, frozen=True):
    """A multipart upload that was neither completed nor aborted."""

    key: str
    id: str
    begun_at: datetime


class StoredPart(msgspec.Struct, frozen=True):
    """A part that the service has: its ETag, and its SHA-256 in base64."""

    etag: str
    checksum: str


class S3Answer(msgspec.Struct, frozen=True):
    """A success of the service."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Bucket:
    """Signed requests to one bucket. Keys are whole ones, with the prefix. Every method may raise S3Unavailable."""

    def __init__(self, settings: S3Settings, credentials: CredentialSource, bounds: S3Bounds) -> None:
        self.settings = settings
        self._credentials = credentials
        self._bounds = bounds
        self._http = httpx2.AsyncClient(
            verify=_tls() if settings.address.startswith("https:") else False,
            timeout=httpx2.Timeout(
                bounds.call.total_seconds(),
                connect=bounds.connect.total_seconds(),
                write=bounds.inactivity.total_seconds(),
            ),
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=32, keepalive_expiry=10),
            follow_redirects=False,
        )
        self._url = f"{settings.address}/{path_of(settings.bucket)}"

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    # Multipart uploads

    async def begin_upload(self, key: str, *, write_id: str) -> str:
        """The id of a new upload; the object will carry `write_id`."""
        headers = {_WRITE_ID: write_id, "x-amz-checksum-algorithm": "SHA256"}
        request = Request("POST", self._of(key), query={"uploads": ""}, headers=headers)
        answer = await self._send(request, may_be_repeated=False)
        return text_of(parse_xml(answer.body), "UploadId")

    async def store_part(self, key: str, upload_id: str, number: int, data: _Body) -> StoredPart:
        """Store a part, which replaces one of the same number; the service compares it with its SHA-256."""
        digest = await asyncio.to_thread(hashlib.sha256, data)
        checksum = b64encode(digest.digest()).decode()
        request = Request(
            "PUT",
            self._of(key),
            query={"partNumber": str(number), "uploadId": upload_id},
            headers={"x-amz-checksum-sha256": checksum},
            body_sha256=digest.hexdigest(),
        )
        if not (etag := (await self._send(request, data)).headers.get("etag")):
            raise S3Unavailable("The object store did not confirm a part of the file.")
        return StoredPart(etag, checksum)

    async def complete_upload(self, key: str, upload_id: str, parts: Collection[StoredPart]) -> None:
        """Make the parts the object. NoSuchUpload may mean that an earlier call, whose answer was lost, has done it."""
        listed = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{escape(part.etag)}</ETag>"
            f"<ChecksumSHA256>{part.checksum}</ChecksumSHA256></Part>"
            for number, part in enumerate(parts, start=1)
        )
        body = f'<CompleteMultipartUpload xmlns="{_NAMESPACE}">{listed}</CompleteMultipartUpload>'.encode()
        digest = hashlib.sha256(body).hexdigest()
        request = Request("POST", self._of(key), query={"uploadId": upload_id}, body_sha256=digest)
        answer = await self._send(request, body)
        if (code := error_code(answer.body.decode(errors="replace"))) is not None:  # under the status 200
            raise refused(500, code)

    async def abort_upload(self, key: str, upload_id: str) -> bool:
        """Remove the upload with its parts; False where there is no such upload."""
        try:
            await self._send(Request("DELETE", self._of(key), query={"uploadId": upload_id}))
        except S3Unavailable as error:
            if error.status != 404:
                raise
            return False
        return True

    async def open_uploads(self, prefix: str) -> AsyncIterator[OpenUpload]:
        """The uploads of keys with this prefix that were neither completed nor aborted."""
        after: dict[str, str] = {}
        while True:
            query = {"uploads": "", "prefix": prefix, **after}
            root = parse_xml((await self._send(Request("GET", self._url, query=query))).body)
            before = after
            for each in root.findall("Upload"):
                upload = OpenUpload(
                    text_of(each, "Key"), text_of(each, "UploadId"), datetime.fromisoformat(text_of(each, "Initiated"))
                )
                after = {"key-marker": upload.key, "upload-id-marker": upload.id}
                yield upload
            if root.findtext("IsTruncated", "").strip() != "true" or after == before:
                return

    # Questions

    async def write_id_of(self, key: str) -> str | None:
        """The id of the write that stored the object; None where there is no object, or none with an id."""
        try:
            answer = await self._send(Request("HEAD", self._of(key)))
        except S3Unavailable as error:
            if error.status != 404:
                raise
            return None
        return answer.headers.get(_WRITE_ID)

    async def require(self) -> None:
        """S3Unavailable where the bucket does not exist or is not to be read."""
        try:
            await self._send(Request("HEAD", self._url))
        except S3Unavailable as error:
            raise refused(404, "NoSuchBucket") if error.status == 404 else error from None

    async def ask(self, request: Request, body: _Body = b"") -> S3Answer:
        """The answer to another request; `request.url` is the key, empty for the bucket."""
        url = self._of(request.url) if request.url else self._url
        return await self._send(msgspec.structs.replace(request, url=url), body)

    async def link(self, key: str, *, valid_for: timedelta, media_type: str, disposition: str | None) -> str:
        """An address under which anyone can fetch the object; made without a request to the bucket."""
        query = {"response-content-type": media_type}
        if disposition is not None:
            query["response-content-disposition"] = disposition
        return signed_link(
            Request("GET", self._of(key), query=query),
            await self._credentials.current(),
            region=self.settings.region,
            now=SYSTEM_CLOCK.now(),
            valid_for=valid_for,
        )

    def _of(self, key: str) -> str:
        return f"{self._url}/{path_of(key)}"

    async def _send(self, request: Request, body: _Body = b"", *, may_be_repeated: bool = True) -> S3Answer:
        """The answer of the service within the time for a call, which includes a few repeats after short faults.

        Where the request must not be repeated, it is only after an answer that says that nothing was done.
        """
        repeats = 0
        try:
            async with asyncio.timeout(self._bounds.seconds_for(len(body))):
                while True:
                    try:
                        return await self._exchange(request, body)
                    except S3Unavailable as error:
                        if repeats >= _REPEATS or error.status not in (_SHORT if may_be_repeated else _NOT_DONE):
                            raise
                    repeats += 1
                    await asyncio.sleep(_PAUSE_SECONDS * 2**repeats * (0.5 + random.random()))
        except TimeoutError:
            raise too_slow() from None

    async def _exchange(self, request: Request, body: _Body) -> S3Answer:
        credentials = await self._credentials.current()
        headers = signed_headers(request, credentials, region=self.settings.region, now=SYSTEM_CLOCK.now())
        if body or request.method in ("PUT", "POST"):
            headers["content-length"] = str(len(body))
        try:
            async with self._http.stream(
                request.method, request.address, headers=headers, content=_pieces(body) if body else None
            ) as response:
                answer = bytearray()
                async for piece in response.aiter_bytes():
                    answer += piece
                    if len(answer) > _MAX_ANSWER_BYTES:
                        raise S3Unavailable("The answer of the object store is too long.")
        except httpx2.TimeoutException:
            raise too_slow() from None
        except (httpx2.RequestError, httpx2.StreamError):
            raise unreachable() from None
        if response.status_code >= 300:
            raise refused(response.status_code, error_code(answer[:4096].decode(errors="replace")))
        return S3Answer(response.status_code, response.headers, bytes(answer))


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    """The certificates that the system trusts; read once (20 ms)."""
    return ssl.create_default_context()


async def _pieces(body: _Body) -> AsyncIterator[bytes]:
    view = memoryview(body)
    for start in range(0, len(view), _PIECE_BYTES):
        yield bytes(view[start : start + _PIECE_BYTES])
