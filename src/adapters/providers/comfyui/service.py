"""One ComfyUI, asked once per method: what it answers, or the ProviderError that its answer means.

Only the host that the operator has set is asked, whatever an answer names; redirects are not followed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, TypeVar

import msgspec

from ....core.domain.media import Picture
from ....core.domain.outside_text import word
from ....core.domain.routing.failure_cause import FailureCause
from ....core.ports.provider import Down, NotConfigured, ProviderError, Rejected, Retryable, Unavailable
from ...http_client.address_guard import AddressRefused
from ...http_client.bodies import BodyReader
from ...http_client.client import SafeHttpClient
from ...http_client.messages import AddressUnusable, Answer, AnswerTooLarge, HttpRequest
from ...http_client.picture_json import JsonUnreadable
from ...system_clock import SYSTEM_CLOCK
from ..downloads import MAX_PICTURE_BYTES, picture_of
from ..wire import JsonAnswer, decoded
from .answers import Ended, OutputFile, Submitted, SystemStats, Uploaded, refusal, refuse_status
from .queue_reader import Queue, QueueReader
from .requests import Requests
from .workflow import Workflow

_T = TypeVar("_T")

QUESTION_TIME = timedelta(seconds=10)
"""The most that one question without a picture may take: a hung connection is not the whole window."""

_MAX_ANSWER_BYTES = 16 * 1024 * 1024
"""Maximum size of an answer without a picture; long texts in it are dropped while it arrives."""

_MEBIBYTE = 1024 * 1024

_NO_SUCH_ROUTE = (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED)


class ComfyuiService:
    """The server at the operator's address, for one call until its deadline."""

    def __init__(self, http: SafeHttpClient, requests: Requests, *, until: datetime) -> None:
        self._http = http
        self._requests = requests
        self._until = until

    def longer(self, until: datetime) -> ComfyuiService:
        """Return the same server with another deadline."""
        return ComfyuiService(self._http, self._requests, until=until)

    async def upload(self, picture: Picture, name: str) -> str:
        """Store a picture; return the value of an input that means it."""
        answer = await self._ask(self._requests.upload(picture, name), until=self._until)
        refuse_status(answer, "The photo")
        if answer.status != HTTPStatus.OK:
            raise Rejected(f"ComfyUI does not take the photo ({answer.status}).")
        stored = _read(answer, Uploaded)
        if not stored.name or len(stored.annotated) > 1000 or not stored.annotated.isprintable():
            raise Retryable("ComfyUI took the photo, but names no file.")
        return stored.annotated

    async def submit(
        self, graph: Mapping[str, Any], workflow: Workflow, *, prompt_id: str, client_id: str
    ) -> Submitted:
        """Queue a graph; raises what a refusal means. What was accepted may have errors in a part of it."""
        request = self._requests.submit(graph, prompt_id=prompt_id, client_id=client_id)
        answer = await self._ask(request)
        if answer.status == HTTPStatus.BAD_REQUEST and answer.content_type != "text/html":
            raise refusal(decoded(answer), workflow, sent=graph)
        refuse_status(answer, "The workflow")
        accepted = _read(answer, Submitted)
        if not 0 < len(accepted.prompt_id) <= 64 or not accepted.prompt_id.isprintable():
            raise Retryable("ComfyUI queued the workflow without a usable id.")
        return accepted

    async def queue(self) -> Queue:
        """Return the jobs that run and wait."""
        answer = await self._exchange(self._requests.queue(), QueueReader())
        refuse_status(answer, "The question")
        if not answer.body.whole:
            raise Down("What came is no queue of ComfyUI.")
        return answer.body

    async def ended(self, prompt_id: str) -> Ended | None:
        """Return a job that has ended; None where it has not, or is not known."""
        answer = await self._ask(self._requests.history(prompt_id))
        refuse_status(answer, "The question")
        return _read(answer, dict[str, Ended]).get(prompt_id)

    async def view(self, file: OutputFile) -> bytes:
        """Return the bytes of a picture, at most 64 MiB. Retryable where it is gone."""
        try:
            answer = await self._http.exchange(
                self._requests.view(file), until=self._until, max_bytes=MAX_PICTURE_BYTES
            )
        except AnswerTooLarge as error:
            raise Rejected(
                f"The picture is larger than {MAX_PICTURE_BYTES // _MEBIBYTE} MiB.", cause=FailureCause.PICTURE_UNUSABLE
            ) from error
        except (AddressUnusable, AddressRefused) as error:
            raise wrong_address(error) from error
        if answer.status in (HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND):
            raise Retryable(f"The finished picture is no longer at ComfyUI ({answer.status}).")
        refuse_status(answer, "The question")
        return picture_of(answer)

    async def cancel(self, prompt_id: str) -> bool:
        """Cancel a job, whether it waits or runs; return False where this version cannot do that by one request."""
        return await self._done(self._requests.cancel(prompt_id), but=_NO_SUCH_ROUTE)

    async def delete_from_queue(self, prompt_id: str) -> None:
        """Remove a job that waits."""
        await self._done(self._requests.delete_from_queue(prompt_id))

    async def interrupt(self, prompt_id: str) -> None:
        """Interrupt a job that runs; only for versions that heed the id."""
        await self._done(self._requests.interrupt(prompt_id))

    async def forget(self, prompt_id: str) -> None:
        """Remove an ended job from the history."""
        await self._done(self._requests.delete_from_history(prompt_id))

    async def version(self) -> tuple[int, ...] | None:
        """Return the version as numbers; None where it says none."""
        answer = await self._ask(self._requests.system_stats())
        refuse_status(answer, "The question")
        return _read(answer, SystemStats).version

    async def object_info(self, class_type: str) -> Mapping[str, Any] | None:
        """Return the inputs of a class of nodes by name, required and optional ones; None where there is no such."""
        answer = await self._ask(self._requests.object_info(class_type))
        refuse_status(answer, "The question")
        about = _read(answer, dict[str, Any]).get(class_type)
        given = about.get("input") if isinstance(about, dict) else None
        if not isinstance(given, dict):
            return None
        groups = [group for name in ("required", "optional") if isinstance(group := given.get(name), dict)]
        return {word(name): each for group in groups for name, each in group.items()}

    async def _done(self, request: HttpRequest, *, but: tuple[HTTPStatus, ...] = ()) -> bool:
        answer = await self._ask(request)
        if answer.status in but:
            return False
        refuse_status(answer, "The request")
        return True

    async def _ask(self, request: HttpRequest, *, until: datetime | None = None) -> JsonAnswer:
        return await self._guarded(
            self._http.exchange_json(
                request,
                until=until or self._soon(),
                max_bytes=_MAX_ANSWER_BYTES,
                max_error_bytes=_MAX_ANSWER_BYTES,
            )
        )

    async def _exchange(self, request: HttpRequest, body: BodyReader[_T]) -> Answer[_T]:
        return await self._guarded(
            self._http.exchange_into(request, body, until=self._soon(), max_bytes=4 * _MAX_ANSWER_BYTES)
        )

    async def _guarded(self, answer: Awaitable[_T]) -> _T:
        """Await an answer. Its errors carry pictures and keys, so none of them is chained."""
        try:
            return await answer
        except (AddressUnusable, AddressRefused) as error:
            raised: ProviderError = wrong_address(error)
        except (AnswerTooLarge, JsonUnreadable):
            raised = Retryable("The answer of ComfyUI is too long to be one of its API.")
        except ProviderError as error:
            raised = type(error)(error.reason, cause=error.cause)
        raise raised

    def _soon(self) -> datetime:
        return min(self._until, SYSTEM_CLOCK.now() + QUESTION_TIME)


def wrong_address(error: AddressUnusable | AddressRefused) -> ProviderError:
    """Classify an unusable address of the server."""
    if isinstance(error, AddressRefused):
        return Unavailable(f"The address of ComfyUI cannot be used: {error}")
    return NotConfigured("PHOTOCHANGER_COMFYUI_BASE_URL is no http or https address.")


def _read(answer: JsonAnswer, kind: type[_T]) -> _T:
    """Return the JSON of a good answer. Down where it is none, Retryable where it has another shape."""
    try:
        return msgspec.json.decode(answer.body.document, type=kind)
    except msgspec.ValidationError:
        error: ProviderError = Retryable("ComfyUI's answer has another shape than its API has.")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        error = Down("ComfyUI answered with something other than JSON.")
    raise error
