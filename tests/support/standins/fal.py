"""A stand-in of fal: its queue, and its place of finished pictures on another origin.

It takes what the documentation of the queue and of the models says and refuses everything else, so that a wrong request
fails a test. The addresses that it gives for work cannot be built from the id of the work.
"""

from __future__ import annotations

import json
from typing import Any, Self
from uuid import uuid4

from msgspec import Struct

from tests.support import photos

from .checks import data_uri_fault
from .picture_origin import PictureOrigin
from .server import Answer, Received, StandInServer, html, json_answer

KEY = "5f0c1d2e-fal1-4a3b-8c9d-0e1f2a3b4c5d:6b7c8d9e0f1a2b3c4d5e6f7a8b9c0d1e"
MODEL = "fal-ai/flux-2-pro/edit"
ONE_PHOTO = "fal-ai/flux-pro/kontext"
OWN_MODEL = "studio/our-faces"
PICTURE = photos.jpeg(96, 64)
"""What the models draw on a good day."""

NOT_THERE = "00000000-0000-0000-0000-000000000000"

_COMMON = {"prompt", "seed", "sync_mode", "output_format"}
_FLUX = {*_COMMON, "image_urls", "image_size", "safety_tolerance", "enable_safety_checker"}
_QWEN = {"negative_prompt", "num_inference_steps", "guidance_scale", "num_images", "acceleration"}
_GEMINI = {"aspect_ratio", "resolution", "limit_generations", "enable_web_search", "num_images", "safety_tolerance"}
FIELDS = {
    MODEL: _FLUX,
    "fal-ai/flux-2/turbo/edit": {*_FLUX, "guidance_scale", "num_images"},
    ONE_PHOTO: {*_COMMON, "image_url", "guidance_scale", "num_images", "safety_tolerance", "aspect_ratio"},
    "google/nano-banana-2.1/edit": {*_COMMON, *_GEMINI, "image_urls"},
    "fal-ai/qwen-image-edit-2511": {*_FLUX, *_QWEN},
    "fal-ai/bytedance/seedream/v4.5/edit": {"prompt", "image_urls", "seed", "image_size", "num_images"},
    OWN_MODEL: {"prompt", "sources", "strength", "seed", "negative_prompt", "output_format"},
}
PHOTOS = {ONE_PHOTO: ("image_url", 1), OWN_MODEL: ("sources", 4), "fal-ai/flux-2/turbo/edit": ("image_urls", 4)}
MEGAPIXEL = 1024 * 1024


class Work(Struct):
    """Work in the queue."""

    model: str
    input: dict[str, Any]
    steps: int
    ticket: str
    cancelled: bool = False


class FalStandIn(StandInServer):
    """Calls are named `submit`, `status`, `result` and `cancel`.

    Attributes:
        delivery: where finished pictures lie.
        works: what was queued, by id.
        steps: how often work is waiting before it is completed.
        seconds: the longest timeout that a call may ask for.
        max_pixels: the largest picture that it takes.
        units: what a result says of units billed.
        result: what else a result holds, or holds instead.
        address: the origin that is named for work, where it is not its own.
    """

    def __init__(self, *, key: str = KEY) -> None:
        super().__init__()
        self.key = key
        self.delivery = PictureOrigin(key)
        self.works: dict[str, Work] = {}
        self.steps = 1
        self.seconds = 180.0
        self.max_pixels = MEGAPIXEL
        self.units: str | None = None
        self.result: dict[str, Any] = {}
        self.address: str | None = None

    async def __aenter__(self) -> Self:
        await self.delivery.__aenter__()
        return await super().__aenter__()

    async def __aexit__(self, *raised: object) -> None:
        await super().__aexit__(*raised)
        await self.delivery.__aexit__(*raised)

    @property
    def cancels(self) -> list[str]:
        """The ids of cancelled work."""
        return [id for id, work in self.works.items() if work.cancelled]

    def end(self) -> None:
        """Let all work end now, and what comes after it at once."""
        self.steps = 0
        for work in self.works.values():
            work.steps = 0

    def call_of(self, request: Received) -> str:
        if request.method == "PUT":
            return "cancel"
        if request.method == "POST":
            return "submit"
        return "status" if request.path.endswith("/status") else "result"

    def check(self, request: Received) -> Answer | None:
        if request.headers.get("authorization") != f"Key {self.key}":
            return json_answer({"detail": "Authentication is required to access this application."}, status=401)
        if self.call_of(request) == "submit":
            return self._check_submit(request)
        work = self.works.get(_id(request))
        if work is not None and request.query.get("ticket") != work.ticket:
            return json_answer({"detail": "Not the address that was given."}, status=404)
        return json_answer({"detail": "A body."}, status=400) if request.body else None

    def answer(self, request: Received) -> Answer:
        call, id = self.call_of(request), _id(request)
        if call == "submit":
            return self._submit(request)
        work = self.works.get(id)
        if work is None:
            return self.reply({"status": "NOT_FOUND"}, status=404)
        if call == "cancel":
            return self._cancel(work)
        return self._state(work) if call == "status" else self.finished(work)

    def reply(self, value: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
        """A JSON answer as the service itself gives it, not something on the way to it."""
        return json_answer(value, status=status, headers={"x-fal-request-id": uuid4().hex, **(headers or {})})

    def finished(self, work: Work) -> Answer:
        """The result of completed work."""
        picture = {"content_type": "image/jpeg", "width": 96, "height": 64, "file_name": "a.jpg"}
        if "images" not in self.result and "image" not in self.result:
            picture["url"] = self.delivery.put(PICTURE, "image/jpeg")
        value = {"images": [picture], "seed": work.input.get("seed", 4711), "has_nsfw_concepts": [False], "prompt": ""}
        units = {} if self.units is None else {"x-fal-billable-units": self.units}
        body = {**value, **self.result}
        return self.reply({name: each for name, each in body.items() if each is not None}, headers=units)

    def _check_submit(self, request: Received) -> Answer | None:
        headers, model = request.headers, request.path.strip("/")
        if model not in FIELDS:
            return json_answer({"detail": f"Application {model!r} not found"}, status=404)
        if headers.get("content-type") != "application/json" or request.query:
            return json_answer({"detail": "Not JSON, or a query."}, status=400)
        if not 1 < float(headers.get("x-fal-request-timeout", "0")) <= self.seconds:
            return json_answer({"detail": f"timeout {headers.get('x-fal-request-timeout')}"}, status=400)
        if headers.get("x-fal-request-start-timeout") != headers["x-fal-request-timeout"]:
            return json_answer({"detail": "the two names of the timeout differ"}, status=400)
        kept = json.loads(headers.get("x-fal-object-lifecycle-preference", "{}")).get("expiration_duration_seconds")
        if headers.get("x-fal-no-retry") != "1" or headers.get("x-fal-store-io") != "0" or not 0 < kept <= 3600:
            return json_answer({"detail": "It is retried, or stays."}, status=400)
        return self._check_input(model, request.json())

    def _check_input(self, model: str, value: dict[str, Any]) -> Answer | None:
        unknown = value.keys() - FIELDS[model]
        field, most = PHOTOS.get(model, ("image_urls", 8))
        sent = value.get(field)
        found = sent if isinstance(sent, list) else [sent]
        faults = [fault for each in found if (fault := data_uri_fault(each, max_pixels=self.max_pixels))]
        if isinstance(sent, list) != (field != "image_url") or not 0 < len(found) <= most:
            faults.append("not the form of the field, or too many pictures")
        if not value.get("prompt") or value.get("output_format", "jpeg") not in ("jpeg", "png", "webp"):
            faults.append("prompt or output_format")
        if not unknown and not faults:
            return None
        first = {"loc": ["body", *sorted(unknown)], "msg": f"{faults}", "type": "value_error", "input": None}
        return json_answer({"detail": [first]}, status=422, headers={"X-Fal-Retryable": "false"})

    def _submit(self, request: Received) -> Answer:
        id, model = str(uuid4()), request.path.strip("/")
        work = self.works[id] = Work(model, request.json(), self.steps, uuid4().hex[:12])
        base = f"{self.address or self.url}/{'/'.join(model.split('/')[:2])}/requests/{id}"
        urls = {f"{name}_url": f"{base}{end}?ticket={work.ticket}" for name, end in _ENDS.items()}
        return self.reply({"request_id": id, "status": "IN_QUEUE", "queue_position": 0, **urls})

    def _state(self, work: Work) -> Answer:
        if work.cancelled:
            return completed(error="Request was cancelled", error_type="client_cancelled")
        work.steps -= 1
        if work.steps >= 0:
            waiting = {"status": "IN_QUEUE", "queue_position": 3} if work.steps else {"status": "IN_PROGRESS"}
            return self.reply({**waiting, "logs": None}, status=202)
        return completed()

    def _cancel(self, work: Work) -> Answer:
        if work.steps < 0 or work.cancelled:
            return self.reply({"status": "ALREADY_COMPLETED"}, status=400)
        work.cancelled = True
        return self.reply({"status": "CANCELLATION_REQUESTED"}, status=202)


_ENDS = {"status": "/status", "response": "", "cancel": "/cancel"}


def _id(request: Received) -> str:
    return request.path.partition("/requests/")[2].partition("/")[0]


# Answers of the service.

_FROM_FAL = {"x-fal-request-id": "d290f1ee-6c54-4b01-90e6-d701748f0851"}


def completed(**error: Any) -> Answer:
    """The state of completed work, which may have failed."""
    return json_answer({"status": "COMPLETED", "logs": None, "metrics": {"inference_time": 3.1}, **error})


def model_error(status: int, kind: str, *, retryable: bool | None = None, msg: str = "It went wrong.") -> Answer:
    """An error of a model: a list."""
    header = {} if retryable is None else {"X-Fal-Retryable": str(retryable).lower()}
    detail = [{"loc": ["body"], "msg": msg, "type": kind, "url": f"https://docs.fal.ai/errors#{kind}", "input": "x"}]
    return json_answer({"detail": detail}, status=status, headers={**_FROM_FAL, **header})


def policy(category: str = "sexual") -> Answer:
    """The model refuses the photo, the prompt or its own picture."""
    error = {"loc": ["body", "image_urls"], "msg": "The content was flagged by a content checker.", "input": "x"}
    detail = [{**error, "type": "content_policy_violation", "categories": [category]}]
    return json_answer({"detail": detail}, status=422, headers={**_FROM_FAL, "X-Fal-Retryable": "false"})


def platform_error(status: int, kind: str, detail: str = "It went wrong.", **headers: str) -> Answer:
    """An error of the platform: a text."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    about = {**_FROM_FAL, "X-Fal-Error-Type": kind, **named}
    return json_answer({"detail": detail, "error_type": kind}, status=status, headers=about)


def locked() -> Answer:
    """The account has no credit."""
    words = "User is locked. Reason: Exhausted balance. Top up your balance at fal.ai/dashboard/billing."
    return json_answer({"detail": words}, status=403, headers=_FROM_FAL)


ingress = html
"""A page of something on the way to the service."""
