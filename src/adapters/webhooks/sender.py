"""The WebhookSender port: HTTP through the guard of addresses, one pool of connections for all receivers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta

from ...core.domain.errors import InvalidSettings, WebhookUnreachable
from ...core.domain.field_errors import FieldError, FieldErrorCode
from ...core.ports.provider import Down
from ..http_client.address_guard import PRIVATE_HOSTS_VARIABLE, AddressGuard, AddressRefused, Resolver, resolve
from ..http_client.client import SafeHttpClient
from ..http_client.messages import AddressUnusable, AnswerTooLarge, HttpRequest, host_and_port
from ..system_clock import SYSTEM_CLOCK

TIMEOUT = timedelta(seconds=10)
"""The most that one call may take, from the name to the end of the answer."""

MAX_URL_CHARS = 2048

_MAX_ANSWER_BYTES = 4096
"""An answer is read so far only that its connection can be used again; a longer one costs the connection."""


class HttpWebhookSender:
    """POSTs to receivers at public addresses, and at those that `private_hosts` lists (see AddressGuard).

    ConfigurationError for an entry that is no host. `close` ends the connections.
    """

    def __init__(
        self, private_hosts: Iterable[str] = (), *, timeout: timedelta = TIMEOUT, resolver: Resolver = resolve
    ) -> None:
        self._guard = AddressGuard(private_hosts, resolver=resolver)
        self._http = SafeHttpClient(self._guard)
        self._timeout = timeout

    async def send(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        request = HttpRequest(method="POST", url=url, headers=headers, body=body)
        try:
            answer = await self._http.exchange(
                request, until=SYSTEM_CLOCK.now() + self._timeout, max_bytes=_MAX_ANSWER_BYTES
            )
        except AnswerTooLarge as error:
            return error.status
        except AddressRefused as error:
            raise WebhookUnreachable(str(error)) from error
        except AddressUnusable as error:
            raise WebhookUnreachable("The URL is no http or https address of a host.") from error
        except Down as error:
            raise WebhookUnreachable(error.reason) from error
        return answer.status

    def check_url(self, url: str) -> None:
        if len(url) > MAX_URL_CHARS:
            raise InvalidSettings([FieldError("url", FieldErrorCode.TOO_LONG, {"max": MAX_URL_CHARS})])
        place = host_and_port(url)
        if place is None:
            raise InvalidSettings([FieldError("url", FieldErrorCode.URL_FORMAT)])
        if self._guard.plainly_refuses(*place):
            params = {"host": AddressRefused(place[0]).host, "variable": PRIVATE_HOSTS_VARIABLE}
            raise InvalidSettings([FieldError("url", FieldErrorCode.ADDRESS_NOT_PUBLIC, params)])

    async def close(self) -> None:
        """Close every connection."""
        await self._http.close()
