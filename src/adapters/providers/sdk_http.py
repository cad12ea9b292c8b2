"""The HTTP client that SDKs are given: no proxies, redirects or headers from elsewhere, and bounded answers."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2

from ..http_client.guarded_transport import tls_context

MAX_ANSWER_BYTES = 96 * 1024 * 1024
"""Maximum size of one answer: a picture of 64 MiB in base64 and its envelope."""

MAX_ERROR_BYTES = 1024 * 1024
"""Maximum size of an answer with an error status, which the SDK parses on the event loop."""

TIMEOUTS = (httpx2.TimeoutException,)
NETWORK_ERRORS = (httpx2.RequestError,)

_CONNECT_SECONDS = 5.0
"""Connect timeout: an absent host must leave the window to the rest of the route."""

_KEEP_ALIVE_SECONDS = 30.0
_HEADERS = frozenset(
    {
        "accept",
        "authorization",
        "connection",
        "content-length",
        "content-type",
        "host",
        "transfer-encoding",
        "user-agent",
        "x-goog-api-client",
        "x-goog-api-key",
        "x-server-timeout",
    }
)
_HEADERS_START = "x-goog-upload-"


class AnswerTooLarge(Exception):
    """The answer exceeds MAX_ANSWER_BYTES or, with an error status, MAX_ERROR_BYTES; the connection was closed."""


class UploadBroken(Exception):
    """The service answered a part of an upload with something that is no answer to one."""

    def __init__(self, status: int) -> None:
        super().__init__(f"upload answered {status}")
        self.status = status


def make_http_client() -> httpx2.AsyncClient:
    """A client that takes nothing from the environment: neither proxies nor certificates nor headers."""
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=20, keepalive_expiry=_KEEP_ALIVE_SECONDS)
    transport = httpx2.AsyncHTTPTransport(verify=tls_context(), trust_env=False, limits=limits)
    return httpx2.AsyncClient(transport=_BoundedTransport(transport), trust_env=False)


class _BoundedTransport(httpx2.AsyncBaseTransport):
    """Sends only the needed headers, and reads a bounded part of an answer."""

    def __init__(self, inner: httpx2.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        for name in [name for name in request.headers if not _is_needed(name)]:
            # SDKs add what they find in variables (OPENAI_ORG_ID, OPENAI_CUSTOM_HEADERS), and facts of this machine.
            del request.headers[name]
        # Compressed answers could unfold to any size, and base64 of pictures gains little.
        request.headers["Accept-Encoding"] = "identity"
        timeouts = dict(request.extensions.get("timeout", {}))
        timeouts["connect"] = min(timeouts.get("connect") or _CONNECT_SECONDS, _CONNECT_SECONDS)
        request.extensions = {**request.extensions, "timeout": timeouts}
        response = await self._inner.handle_async_request(request)
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        most = MAX_ANSWER_BYTES if response.status_code < 400 else MAX_ERROR_BYTES
        response.stream = _BoundedStream(response.stream, most)
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            await response.aclose()
            raise httpx2.DecodingError("the answer is compressed, although that was not asked for", request=request)
        if _breaks_upload(request, response):
            await response.aclose()
            # The SDK would send the same part again, twice, with pauses: how often is not its to decide.
            raise UploadBroken(response.status_code)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


class _BoundedStream(httpx2.AsyncByteStream):
    def __init__(self, inner: httpx2.AsyncByteStream, max_bytes: int) -> None:
        self._inner = inner
        self._max_bytes = max_bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        read_bytes = 0
        async for chunk in self._inner:
            read_bytes += len(chunk)
            if read_bytes > self._max_bytes:
                raise AnswerTooLarge
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()


def _is_needed(name: str) -> bool:
    return name.lower() in _HEADERS or name.lower().startswith(_HEADERS_START)


def _breaks_upload(request: httpx2.Request, response: httpx2.Response) -> bool:
    sends = request.headers.get("x-goog-upload-command", "").startswith("upload")
    return sends and "x-goog-upload-status" not in response.headers
