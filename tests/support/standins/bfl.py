"""A stand-in of the BFL API: work that is queued and asked for, credits, and signed addresses of finished pictures.

It takes what the API reference documents for a photo to be edited and refuses everything else with the errors of the
API. There is no call that cancels.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
from collections.abc import Callable, Mapping
from typing import Any, Self

import msgspec

from tests.support import photos

from .checks import picture_fault
from .picture_origin import PictureOrigin
from .server import Answer, Received, StandInServer, doubled_credentials, json_answer

KEY = "bfl_StandIn-7c1e9a40"
PICTURE = photos.jpeg(96, 64)
"""What the models draw on a good day."""

MEGAPIXEL = 1024 * 1024
MAX_IN_PROGRESS = 24
CREDITS: Mapping[str, tuple[float, float]] = {
    "flux-2-pro": (3, 1.5),
    "flux-2-max": (7, 3),
    "flux-2-flex": (5, 5),
    "flux-2-klein-9b": (1.5, 0.2),
    "flux-2-klein-4b": (1.4, 0.1),
    "flux-kontext-pro": (4, 0),
    "flux-kontext-max": (8, 0),
}
"""What the first and each further megapixel of a model cost."""

_MAX_PICTURES = {"flux-2-klein-9b": 4, "flux-2-klein-4b": 4, "flux-kontext-pro": 1, "flux-kontext-max": 1}
_RATIO = re.compile(r"\d{1,2}:\d{1,2}")
_INPUT = re.compile(r"input_image(?:_([2-8]))?\Z")


class Work(msgspec.Struct, kw_only=True):
    """One piece of queued work: what was asked for, and how often its state was asked for and found ready."""

    model: str
    fields: dict[str, Any]
    pictures: list[bytes]
    cost: float
    polls: int = 0
    ready: int = 0
    asked_at: float | None = None


class BflStandIn(StandInServer):
    """Calls are named `submit`, `poll` and `credits`; finished pictures lie at another origin, `pictures`.

    Attributes:
        works: what was queued, by id.
        pending_polls: how often work is Pending before it is Ready.
        min_poll_seconds: the least time between the answer to a question and the next question for the same work.
        max_pixels: the pixels of a picture that the provider declares: more would be billed.
        status_name: the name of the state in answers.
        tells_cost: whether submissions are answered with what they cost.
    """

    def __init__(self, *, key: str = KEY) -> None:
        super().__init__()
        self.key = key
        self.pictures = PictureOrigin(key)
        self.works: dict[str, Work] = {}
        self.pending_polls = 1
        self.min_poll_seconds = 0.0
        self.max_pixels = MEGAPIXEL
        self.status_name = "status"
        self.tells_cost = True
        self.credits = 120.5

    async def __aenter__(self) -> Self:
        await self.pictures.__aenter__()
        return await super().__aenter__()

    async def __aexit__(self, *raised: object) -> None:
        await super().__aexit__(*raised)
        await self.pictures.__aexit__(*raised)

    def call_of(self, request: Received) -> str:
        if request.path == "/v1/credits":
            return "credits"
        return "poll" if request.path == "/v1/get_result" else "submit"

    def check(self, request: Received) -> Answer | None:
        if request.headers.get("x-key") is None:
            return json_answer({"detail": "Not authenticated"}, status=401)
        if request.headers["x-key"] != self.key or doubled_credentials(request):
            return json_answer({"detail": "Not authenticated - invalid key"}, status=401)
        if request.method != ("POST" if self.call_of(request) == "submit" else "GET"):
            return json_answer({"detail": "Method Not Allowed"}, status=405)
        match self.call_of(request):
            case "submit":
                return self._submit_fault(request)
            case "poll":
                return self._poll_fault(request)
        return None

    def answer(self, request: Received) -> Answer:
        match self.call_of(request):
            case "submit":
                return self._submit(request)
            case "poll":
                return self._poll(request.query["id"])
        return json_answer({"credits": self.credits})

    # What a right request is.

    def _submit_fault(self, request: Received) -> Answer | None:
        model = request.path.removeprefix("/v1/")
        if model not in CREDITS:
            return json_answer({"detail": "Not Found"}, status=404)
        if request.headers.get("content-type") != "application/json" or request.query:
            return _unprocessable("body", "Input should be a valid dictionary")
        try:
            fields = request.json()
        except ValueError:
            return _unprocessable("body", "JSON decode error")
        if not isinstance(fields, dict):
            return _unprocessable("body", "Input should be a valid dictionary")
        for name, value in fields.items():
            if not _is_right(model, name, value):
                return _unprocessable(name, "Extra inputs are not permitted, or of another type")
        if not fields.get("prompt") or "input_image" not in fields:
            return _unprocessable("prompt", "Field required")
        if (fields.get("width") or 64) * (fields.get("height") or 64) > 4 * MEGAPIXEL:
            return _unprocessable("width", "At most 4 megapixels")
        return self._pictures_fault(model, fields)

    def _pictures_fault(self, model: str, fields: Mapping[str, Any]) -> Answer | None:
        names = [name for name in fields if _INPUT.match(name)]
        expected = ["input_image", *(f"input_image_{number}" for number in range(2, len(names) + 1))]
        if sorted(names) != sorted(expected) or len(names) > _MAX_PICTURES.get(model, 8):
            return _unprocessable("input_image", "Pictures are numbered without a gap")
        for name in names:
            data = _base64(fields[name])
            mime = (
                "image/png" if data.startswith(b"\x89PNG") else "image/webp" if data[8:12] == b"WEBP" else "image/jpeg"
            )
            fault = picture_fault(data, mime, max_bytes=20_000_000, max_pixels=self.max_pixels)
            if fault is not None:
                return _unprocessable(name, fault)
        return None

    def _poll_fault(self, request: Received) -> Answer | None:
        work = self.works.get(request.query.get("id", ""))
        if work is None:
            return None
        if request.query.get("sig") != "eu1/9f+3=" or set(request.query) != {"id", "sig"}:
            return json_answer({"detail": "The polling_url was changed"}, status=400)
        now = asyncio.get_running_loop().time()
        if work.asked_at is not None and now - work.asked_at < self.min_poll_seconds:
            return json_answer({"detail": "Polling too often"}, status=400)
        return None

    # What the service does.

    def _submit(self, request: Received) -> Answer:
        if len([work for work in self.works.values() if not work.ready]) >= MAX_IN_PROGRESS:
            return limited_in_flight()
        fields = request.json()
        model = request.path.removeprefix("/v1/")
        pictures = [_base64(value) for name, value in sorted(fields.items()) if _INPUT.match(name)]
        input_mp = float(sum(-(-_pixels(data) // MEGAPIXEL) for data in pictures))
        output_mp = float(-(-(fields.get("width") or 1024) * (fields.get("height") or 1024) // MEGAPIXEL))
        first, further = CREDITS[model]
        cost = round(first + further * (output_mp - 1 + input_mp), 2)
        work_id = f"task-{len(self.works)}"
        self.works[work_id] = Work(model=model, fields=fields, pictures=pictures, cost=cost)
        billed = {"cost": cost, "input_mp": input_mp, "output_mp": output_mp} if self.tells_cost else {}
        return json_answer({"id": work_id, "polling_url": self.polling_url(work_id), **billed})

    def polling_url(self, work_id: str) -> str:
        """Where the state of work is asked for; changed in any way it is refused."""
        return f"{self.url}/v1/get_result?id={work_id}&sig=eu1%2F9f%2B3%3D"

    def _poll(self, work_id: str) -> Answer:
        work = self.works.get(work_id)
        if work is None:
            return json_answer({"id": work_id, self.status_name: "Task not found", "result": None}, status=404)
        work.polls += 1
        work.asked_at = asyncio.get_running_loop().time()
        if work.polls <= self.pending_polls:
            return self.state("Pending", work_id)
        work.ready += 1
        result = {
            "sample": self.pictures.put(PICTURE, "image/jpeg"),
            "seed": work.fields.get("seed", 4711),
            "prompt": work.fields["prompt"],
            "start_time": 1.0,
            "end_time": 2.0,
            "duration": 1.0,
        }
        return self.state("Ready", work_id, result=result)

    def state(self, name: str, work_id: str = "task-0", **others: Any) -> Answer:
        """An answer that names this state."""
        about = {"id": work_id, "result": None, "progress": None, "details": None, "preview": None}
        return json_answer({**about, self.status_name: name, **others})


def limited_in_flight(*, header: str | None = None, seconds: float | None = 5) -> Answer:
    """429: too many works in progress."""
    body: dict[str, Any] = {"error": "rate_limit_exceeded", "message": "Too many concurrent requests"}
    headers = {"X-RateLimit-Limit": "24", "X-RateLimit-Remaining": "0"}
    if seconds is not None:
        body["retry_after"] = seconds
    return json_answer(body, status=429, headers=headers if header is None else {**headers, "Retry-After": header})


def _unprocessable(field: str, said: str) -> Answer:
    return json_answer({"detail": [{"loc": ["body", field], "msg": said, "type": "value_error"}]}, status=422)


def _is_whole(low: int, high: int, step: int = 1) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and low <= value <= high and value % step == 0


_FIELDS: Mapping[str, Callable[[Any], bool]] = {
    "prompt": lambda value: isinstance(value, str),
    "seed": _is_whole(0, 2**63),
    "safety_tolerance": _is_whole(0, 5),
    "output_format": lambda value: value in ("jpeg", "png"),
}
_SIZES: Mapping[str, Callable[[Any], bool]] = {"width": _is_whole(64, 4096, 16), "height": _is_whole(64, 4096, 16)}
_FLEX: Mapping[str, Callable[[Any], bool]] = {
    "steps": _is_whole(1, 50),
    "guidance": lambda value: isinstance(value, int | float) and 1.5 <= value <= 10,
}
_KONTEXT: Mapping[str, Callable[[Any], bool]] = {
    "aspect_ratio": lambda value: isinstance(value, str) and _RATIO.fullmatch(value) is not None
}


def _is_right(model: str, name: str, value: Any) -> bool:
    if _INPUT.match(name):
        return isinstance(value, str) and not value.startswith("data:") and _base64(value) != b""
    fields = {**_FIELDS, **(_KONTEXT if "kontext" in model else _SIZES), **(_FLEX if model == "flux-2-flex" else {})}
    return name in fields and fields[name](value)


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _mime(data: bytes) -> str:
    """The type of a picture by its content: the API has no field for it."""
    if data.startswith(b"\x89PNG"):
        return "image/png"
    return "image/webp" if data[8:12] == b"WEBP" else "image/jpeg"


def _pixels(data: bytes) -> int:
    width, height = photos.pixels(data).size
    return width * height


class BflControls:
    """The ServiceControls of the stand-in. The service has no call that cancels, and does not notice who leaves."""

    def __init__(self, service: BflStandIn) -> None:
        self._service = service
        self._pending_polls = service.pending_polls
        self._submitted_before = 0

    @property
    def submitted(self) -> int:
        return len(self._service.works)

    async def hold(self) -> None:
        self._submitted_before = self.submitted
        self._service.pending_polls = 10**9

    async def has_begun(self) -> None:
        await self._service.until(lambda: self.submitted > self._submitted_before)

    async def was_given_up(self) -> None:
        raise AssertionError("BFL cannot know")

    async def release(self) -> None:
        self._service.pending_polls = self._pending_polls

    async def refuse(self) -> None:
        self._service.script(self._service.state("Content Moderated"), call="poll")

    async def fail(self) -> None:
        self._service.script(Answer(503), call="submit")
