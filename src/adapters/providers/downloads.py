"""Downloads of pictures from addresses that a provider names, bounded in bytes and time."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import NoReturn

from ...core.domain.routing.failure_cause import FailureCause
from ...core.ports.provider import Down, Rejected, Retryable, Unavailable
from ..http_client.address_guard import PRIVATE_HOSTS_VARIABLE, AddressRefused
from ..http_client.client import SafeHttpClient
from ..http_client.messages import AddressUnusable, AnswerTooLarge, HttpRequest, HttpResponse
from ..http_client.retry_after import retry_after

MAX_PICTURE_BYTES = 64 * 1024 * 1024
"""The most that is taken as a finished picture."""

_MEBIBYTE = 1024 * 1024
_TEXT_STARTS = (b"<", b"{", b"[")


async def download(http: SafeHttpClient, url: str, *, until: datetime, max_bytes: int = MAX_PICTURE_BYTES) -> bytes:
    """The picture at an URL that a provider named. Whether it is a whole picture is for the core to find out.

    Raises Retryable where something else than a picture is there (nothing, a page, JSON, a redirect: none is
    followed), Down where its host fails, Rejected where it is larger than `max_bytes`, Unavailable where the
    host lies at an address that may not be reached.
    """
    request = HttpRequest(method="GET", url=url)
    try:
        answer = await http.exchange(request, until=until, max_bytes=max_bytes)
    except AddressUnusable as error:
        raise Retryable("The provider's picture address is not an http address.") from error
    except AddressRefused as error:
        raise Unavailable(
            f"The provider names a picture at {error.host}, which is not at a public address. Only what is listed in "
            f"{PRIVATE_HOSTS_VARIABLE} is fetched from private addresses."
        ) from error
    except AnswerTooLarge as error:
        raise Rejected(
            f"The provider's picture is larger than {max_bytes // _MEBIBYTE} MiB.", cause=FailureCause.PICTURE_UNUSABLE
        ) from error
    if answer.status != HTTPStatus.OK:
        _refuse(answer)
    return picture_of(answer)


def picture_of(answer: HttpResponse) -> bytes:
    """The body of a good answer; Retryable where it is plainly no picture: empty, compressed, a page, JSON, text.

    The content decides. A type that claims to be text is not enough: scripts forget to set one.
    """
    claim = f" (Content-Type {answer.content_type[:60]!r})" if answer.content_type else ""
    if not answer.body:
        raise Retryable("The answer is empty instead of a picture.", cause=FailureCause.PICTURE_UNUSABLE)
    if answer.headers.get("content-encoding", "identity").lower() != "identity":
        raise Retryable(
            "The answer is compressed, although that was not asked for.", cause=FailureCause.PICTURE_UNUSABLE
        )
    if _is_text(answer.body):
        raise Retryable(
            f"The answer is a page or text instead of a picture{claim}.", cause=FailureCause.PICTURE_UNUSABLE
        )
    return answer.body


def _is_text(body: bytes) -> bool:
    start = body[:1024].removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith(_TEXT_STARTS):
        return True
    try:
        start.decode()
    except UnicodeDecodeError as error:
        # A character may be cut in two where the sample ends.
        return error.start >= len(start) - 3 and len(body) > 1024 and b"\0" not in start
    return b"\0" not in start


def _refuse(answer: HttpResponse) -> NoReturn:
    status = answer.status
    if status >= 500:
        raise Down(f"The host of the finished picture answered {status}.")
    if 300 <= status < 400:
        raise Retryable(f"The address of the finished picture redirects ({status}); redirects are not followed.")
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        raise Retryable("The host of the finished picture limits requests (429).", after=retry_after(answer.headers))
    raise Retryable(f"The finished picture is not at its address ({status}).")
