"""AWS Signature Version 4, for the requests and links that obstore does not offer."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlsplit

import msgspec

_ALGORITHM = "AWS4-HMAC-SHA256"
_UNSIGNED = "UNSIGNED-PAYLOAD"
_KEPT = "-_.~"


class Credentials(msgspec.Struct, frozen=True):
    """What requests are signed with. `expires_at` None: valid until they are revoked."""

    access_key_id: str
    secret_access_key: str
    session_token: str | None = None
    expires_at: datetime | None = None

    def __repr__(self) -> str:
        return f"Credentials({self.access_key_id[:4]}…)"


class Request(msgspec.Struct, frozen=True):
    """A request before it is signed. `url` has a path that is already percent-encoded, and no query."""

    method: str
    url: str
    query: Mapping[str, str] = {}
    headers: Mapping[str, str] = {}
    body_sha256: str = hashlib.sha256().hexdigest()

    @property
    def address(self) -> str:
        """The URL with its query."""
        return f"{self.url}?{_query(self.query)}" if self.query else self.url


def signed_headers(request: Request, credentials: Credentials, *, region: str, now: datetime) -> dict[str, str]:
    """The headers of a request with its signature, over the SHA-256 of its body as well."""
    headers = {
        **request.headers,
        "host": urlsplit(request.url).netloc.rpartition("@")[2],
        "x-amz-content-sha256": request.body_sha256,
        "x-amz-date": _time(now),
    }
    if credentials.session_token is not None:
        headers["x-amz-security-token"] = credentials.session_token
    signature = _signature(request, request.query, headers, request.body_sha256, credentials, region, now)
    headers["authorization"] = (
        f"{_ALGORITHM} Credential={credentials.access_key_id}/{_scope(region, now)}, "
        f"SignedHeaders={_names(headers)}, Signature={signature}"
    )
    return headers


def signed_link(request: Request, credentials: Credentials, *, region: str, now: datetime, valid_for: timedelta) -> str:
    """An address that anyone may use until it expires, for a request without a body."""
    headers = {"host": urlsplit(request.url).netloc.rpartition("@")[2]}
    query = {
        **request.query,
        "X-Amz-Algorithm": _ALGORITHM,
        "X-Amz-Credential": f"{credentials.access_key_id}/{_scope(region, now)}",
        "X-Amz-Date": _time(now),
        "X-Amz-Expires": str(int(valid_for.total_seconds())),
        "X-Amz-SignedHeaders": _names(headers),
    }
    if credentials.session_token is not None:
        query["X-Amz-Security-Token"] = credentials.session_token
    signature = _signature(request, query, headers, _UNSIGNED, credentials, region, now)
    return f"{request.url}?{_query(query)}&X-Amz-Signature={signature}"


def path_of(key: str) -> str:
    """A key as the path of a URL."""
    return quote(key, safe=f"/{_KEPT}")


def _signature(
    request: Request,
    query: Mapping[str, str],
    headers: Mapping[str, str],
    body: str,
    credentials: Credentials,
    region: str,
    now: datetime,
) -> str:
    lines = [f"{name}:{' '.join(headers[name].split())}\n" for name in sorted(headers)]
    path = urlsplit(request.url).path or "/"
    asked = "\n".join([request.method, path, _query(query), "".join(lines), _names(headers), body])
    text = "\n".join([_ALGORITHM, _time(now), _scope(region, now), hashlib.sha256(asked.encode()).hexdigest()])
    key = f"AWS4{credentials.secret_access_key}".encode()
    for part in _scope(region, now).split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, text.encode(), "sha256").hex()


def _query(query: Mapping[str, str]) -> str:
    pairs = sorted((quote(name, safe=_KEPT), quote(value, safe=_KEPT)) for name, value in query.items())
    return "&".join(f"{name}={value}" for name, value in pairs)


def _names(headers: Mapping[str, str]) -> str:
    return ";".join(sorted(headers))


def _scope(region: str, now: datetime) -> str:
    return f"{now.astimezone(UTC):%Y%m%d}/{region}/s3/aws4_request"


def _time(now: datetime) -> str:
    return f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}"
