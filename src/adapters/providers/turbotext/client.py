"""The protocol of Turbotext: work is queued and polled; words in the JSON answer decide the next step."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any

import msgspec

from ....core.domain.outside_text import MAX_CHARS, word
from ....core.domain.routing.failure_cause import FailureCause
from ....core.ports.provider import Down, NotConfigured, ProviderError, QuotaExhausted, Rejected, Retryable, Unavailable
from ...http_client.address_guard import AddressRefused
from ...http_client.client import SafeHttpClient, remark
from ...http_client.messages import AddressUnusable, AnswerTooLarge, HttpRequest, HttpResponse
from ...http_client.retry_after import retry_after

_MAX_ANSWER_BYTES = 1024 * 1024
_MAX_QUEUE_ID_CHARS = 128

_REJECTIONS = {
    "url_error": "it could not use the link of a picture",
    "params_error": "it does not take these settings",
    "face_not_detected": "it found no face",
    "quality_limit": "the quality of a picture does not do",
    "size_error": "the size of a picture does not fit",
}


class TurbotextService:
    """One method of the service at its URL, called with one key, until one deadline.

    Every question raises Down where the service is not there or answers something that is not its API's, Retryable
    for 429, NotConfigured where key or address are refused, Rejected for another refusal by status.
    """

    def __init__(self, http: SafeHttpClient, url: str, *, key: str, until: datetime) -> None:
        self._http = http
        self._url = url
        self._key = key
        self._until = until

    async def queue(self, form: Mapping[str, str]) -> str:
        """Queue work, which is what is paid for; the id that it goes by."""
        answer = await self._ask({"do": "create_queue", **form})
        if answer.get("success") is not True:
            raise self._refusal(answer)
        queue_id = answer.get("queueid")
        if isinstance(queue_id, int) and not isinstance(queue_id, bool):
            return str(queue_id)
        if isinstance(queue_id, str) and queue_id.isprintable() and 0 < len(queue_id) <= _MAX_QUEUE_ID_CHARS:
            return queue_id
        raise Retryable("Turbotext queued the work without naming a queueid.")

    async def result(self, queue_id: str) -> dict[str, Any] | None:
        """What the service says of finished work, good or bad; None while it is not finished."""
        answer = await self._ask({"do": "get_result", "queueid": queue_id})
        return None if answer.get("action") == "reconnect" else answer

    def picture_url(self, answer: Mapping[str, Any]) -> str:
        """The address of a result's picture; raises what the service says instead."""
        data = answer.get("data")
        about: Mapping[str, Any] = data if isinstance(data, dict) else {}
        if about.get("forbidden_content") is True:
            raise Rejected("Turbotext refuses the picture: forbidden content.", cause=FailureCause.CONTENT_REFUSED)
        if answer.get("success") is not True:
            raise self._refusal(answer)
        for place in (answer, about):
            url = place.get("uploaded_image")
            if isinstance(url, str) and url:
                return url
        raise Retryable("Turbotext says that it has finished, but names no picture.")

    async def _ask(self, form: Mapping[str, str]) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self._key}"}
        request = HttpRequest(method="POST", url=self._url, headers=headers, fields=form)
        try:
            answer = await self._http.exchange(request, until=self._until, max_bytes=_MAX_ANSWER_BYTES)
        except (AddressUnusable, AddressRefused) as error:
            raise wrong_address(error) from error
        except AnswerTooLarge as error:
            raise Down("What Turbotext answered is too long to be an answer of its API.") from error
        _check_status(answer)
        try:
            return msgspec.json.decode(answer.body, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            if answer.status >= 400:
                raise Rejected(f"Turbotext answered {answer.status}.") from error
            raise Down("What Turbotext answered is not JSON of its API.") from error

    def _refusal(self, answer: Mapping[str, Any]) -> ProviderError:
        """The error for `success: false`, by the word that stands there."""
        error = answer.get("error")
        said = word(error, MAX_CHARS).strip()
        if said.upper() == "LIMIT":
            return QuotaExhausted("The limit of the Turbotext account is used up (LIMIT).")
        reason = _REJECTIONS.get(said.lower())
        if reason is not None:
            return Rejected(f"Turbotext refuses: {reason} ({said.lower()}).")
        if not said:
            return Retryable("Turbotext refuses without saying why.")
        return Retryable(f"Turbotext refuses: {remark(said, secret=self._key)}")


def wrong_address(error: AddressUnusable | AddressRefused) -> ProviderError:
    """Classify an unusable address of the service itself."""
    if isinstance(error, AddressRefused):
        return Unavailable(f"The address of Turbotext cannot be used: {error}")
    return NotConfigured("PHOTOCHANGER_TURBOTEXT_BASE_URL is no http or https address.")


def _check_status(answer: HttpResponse) -> None:
    """Raise for a status that decides alone; other refusals may say more in their JSON."""
    status = answer.status
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        raise NotConfigured(f"Turbotext refuses the key ({status}).", cause=FailureCause.KEY_REFUSED)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        raise Retryable(
            "Turbotext limits requests (429).", after=retry_after(answer.headers, answer.body), cause=FailureCause.BUSY
        )
    if status >= 500:
        raise Down(f"Turbotext fails ({status}).")
    if 300 <= status < 400:
        raise Unavailable(f"Turbotext redirects to another address ({status}), which is not followed.")
