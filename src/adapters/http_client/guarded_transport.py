"""The connections behind `outside`: they go only to addresses that the guard has checked, the very ones it resolved.

A name is resolved once per connection and the connection is made to that address, so that a name server that answers
differently a moment later (DNS rebinding) changes nothing. The certificate is still checked against the name.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import TypeVar

import httpcore2
import httpx2

from ...core.domain.costs.call_cost import FREE
from ...core.domain.routing.failure_cause import FailureCause
from ...core.ports.provider import Down
from .address_guard import AddressGuard, HostUnknown
from .bodies import BodyReader
from .host_names import normal_url
from .json_body import JsonBody
from .messages import AddressUnusable, Answer, AnswerTooLarge, HttpRequest

_T = TypeVar("_T")

_CONNECT_SECONDS = 5.0
"""Longest time for making a connection: a host that is not there leaves the window to the rest of the route."""

_KEEP_ALIVE_SECONDS = 30.0
_STANDARD_HEADERS = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "PhotoChanger"}

_logger = logging.getLogger("httpcore2")
# Below this it logs URLs and headers, and the address of an upload is as good as a key to it.
_logger.setLevel(max(_logger.level, logging.WARNING))


@cache
def tls_context() -> ssl.SSLContext:
    """The trusted certificates of this machine, read once (20 ms). Ignores the environment."""
    return httpx2.create_ssl_context(trust_env=False)


class GuardedTransport:
    """A pool of HTTP/1.1 connections through the guard, without proxies."""

    def __init__(self, guard: AddressGuard, *, tls: ssl.SSLContext) -> None:
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=tls,
            max_connections=None,
            keepalive_expiry=_KEEP_ALIVE_SECONDS,
            network_backend=_CheckedNetwork(guard),
        )

    async def exchange(
        self, request: HttpRequest, body: BodyReader[_T], *, seconds: float, max_bytes: Callable[[int], int]
    ) -> Answer[_T]:
        """As SafeHttpClient.exchange; `seconds` bounds each step of it, the caller bounds the whole.

        `max_bytes` is the bound of an answer with this status.
        """
        outgoing = _encoded(request)
        timeouts = {"connect": min(seconds, _CONNECT_SECONDS), "read": seconds, "write": seconds, "pool": seconds}
        outgoing.extensions = {"timeout": timeouts}
        try:
            response = await self._pool.handle_async_request(outgoing)
            try:
                await _read(response, body, max_bytes(response.status))
                return Answer(response.status, _readable(response.headers), body.finish())
            finally:
                await response.aclose()
        except HostUnknown as error:
            raise Down(str(error), cost=FREE, cause=FailureCause.UNREACHABLE) from error
        except httpcore2.ConnectTimeout as error:
            raise Down("The host did not answer in time.", cost=FREE, cause=FailureCause.NO_ANSWER) from error
        except httpcore2.ConnectError as error:
            raise Down(_network_trouble(error), cost=FREE, cause=FailureCause.UNREACHABLE) from error
        except httpcore2.TimeoutException as error:
            raise Down("The host did not answer in time.", cause=FailureCause.NO_ANSWER) from error
        except httpcore2.NetworkError as error:
            raise Down(_network_trouble(error), cause=FailureCause.UNREACHABLE) from error
        except httpcore2.ProtocolError as error:
            raise Down("The host broke off, or what it answered is not HTTP.") from error

    async def close(self) -> None:
        await self._pool.aclose()


async def _read(response: httpcore2.Response, body: BodyReader[object], max_bytes: int) -> None:
    read_bytes = 0
    async for chunk in response.aiter_stream():
        read_bytes += len(chunk)
        if read_bytes > max_bytes:
            raise AnswerTooLarge(response.status)
        body.feed(chunk)


def _readable(headers: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}


def _encoded(request: HttpRequest) -> httpcore2.Request:
    """The request as the pool takes it: URL checked, form encoded, a multipart form in pieces."""
    if (normal := normal_url(request.url)) is None:
        raise AddressUnusable
    try:
        url = httpx2.URL(normal)
    except httpx2.InvalidURL as error:
        raise AddressUnusable from error
    length = {"Content-Length": str(request.body.size_bytes)} if isinstance(request.body, JsonBody) else {}
    files = [(upload.field, (upload.filename, upload.data, upload.mime)) for upload in request.uploads]
    encoded = httpx2.Request(
        request.method,
        url,
        headers=_merged(_STANDARD_HEADERS, length, request.headers),
        content=request.body,
        data=None if request.fields is None else dict(request.fields),
        files=files or None,
    )
    assert isinstance(encoded.stream, httpx2.AsyncByteStream)
    return httpcore2.Request(
        encoded.method,
        httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
        headers=encoded.headers.raw,
        content=encoded.stream,
    )


def _merged(*parts: Mapping[str, str]) -> dict[str, str]:
    """Return headers of which each is there once, however its name is spelled; the last one counts."""
    merged = {name.lower(): (name, value) for part in parts for name, value in part.items()}
    return dict(merged.values())


def _network_trouble(error: BaseException) -> str:
    """What went wrong, from the kinds of the errors alone: their texts may hold what the host has sent."""
    chain: BaseException | None = error
    while chain is not None:
        if isinstance(chain, ssl.SSLCertVerificationError):
            return "The host's certificate is not to be trusted."
        if isinstance(chain, ssl.SSLError):
            return "No encrypted connection to the host could be made."
        chain = chain.__cause__ or chain.__context__
    if isinstance(error, httpcore2.ConnectError):
        return "The host cannot be reached."
    return "The connection to the host broke."


class _CheckedNetwork(httpcore2.AsyncNetworkBackend):
    """Makes the pool's connections; the names it is asked for go through the guard."""

    def __init__(self, guard: AddressGuard) -> None:
        self._guard = guard
        self._plain = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        try:
            async with asyncio.timeout(timeout):
                addresses = await self._guard.addresses(host, port)
        except TimeoutError as error:
            raise httpcore2.ConnectTimeout from error
        # Each address gets its share of the time, so that one that swallows packets does not cost the others theirs.
        share = None if timeout is None else timeout / len(addresses)
        for address in addresses[:-1]:
            try:
                return await self._plain.connect_tcp(address, port, share, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                continue
        return await self._plain.connect_tcp(addresses[-1], port, share, local_address, socket_options)

    async def sleep(self, seconds: float) -> None:
        await self._plain.sleep(seconds)
