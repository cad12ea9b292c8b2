"""A stand-in of Replicate: predictions of official and of versioned models, the Files API, and delivery elsewhere.

It takes what the API reference and the schemas of the models say and refuses everything else, so that a wrong request
fails a test.
"""

from __future__ import annotations

import io
import re
from typing import Any, Self
from uuid import uuid4

import multipart
from msgspec import Struct

from tests.support import photos

from .checks import data_uri_fault, picture_fault
from .picture_origin import PictureOrigin
from .server import Answer, Received, StandInServer, json_answer

KEY = "r8_StandInReplicate4c8e1b7a9d2f6035"
MODEL = "black-forest-labs/flux-kontext-pro"
LIST_MODEL = "black-forest-labs/flux-2-pro"
VERSION = "5c7d5dc6dd8bf75c1acaa8565735e7986bc5b66206b55cca93cb72c9bf15ccaa"
OWN_MODEL = f"studio/our-faces:{VERSION}"
PICTURE = photos.png(96, 64)
"""What the models draw on a good day."""

MEGAPIXEL = 1024 * 1024
DATA_URI_BYTES = 256 * 1024
_KONTEXT = {"prompt", "input_image", "aspect_ratio", "prompt_upsampling", "seed", "output_format", "safety_tolerance"}
_FLUX = {"prompt", "input_images", "aspect_ratio", "resolution", "safety_tolerance", "seed", "output_format"}
_SIZED = {"prompt", "image_input", "size", "aspect_ratio", "max_images"}
FIELDS = {
    MODEL: _KONTEXT,
    "black-forest-labs/flux-kontext-max": _KONTEXT,
    LIST_MODEL: {*_FLUX, "output_quality", "width", "height"},
    "google/nano-banana-pro": {"prompt", "image_input", "aspect_ratio", "resolution", "output_format"},
    "bytedance/seedream-4.5": _SIZED,
    "qwen/qwen-image-edit-plus": {"prompt", "image", "aspect_ratio", "go_fast", "seed", "output_format"},
    "prunaai/p-image-edit": {"prompt", "images", "task", "aspect_ratio", "go_fast", "seed"},
    OWN_MODEL: {"prompt", "source", "strength", "seed", "negative_prompt"},
}
"""The fields of the inputs, by model."""

PHOTO_FIELDS = {"input_image", "input_images", "image_input", "image", "images", "source"}
_SINGLE = {"input_image", "source"}
_CREATE = re.compile(r"/v1/models/([^/]+/[^/]+)/predictions\Z")
_PREDICTION = re.compile(r"/v1/predictions/([a-z0-9]+)(/cancel)?\Z")
_FILE = re.compile(r"/v1/files/([A-Za-z0-9]+)\Z")


class Work(Struct):
    """A prediction."""

    model: str
    input: dict[str, Any]
    steps: int
    status: str = "starting"


class _Wrong(Exception):
    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.body)
        self.answer = answer


class ReplicateStandIn(StandInServer):
    """Calls are named `create`, `get`, `cancel`, `upload`, `delete`, `account` and `model`.

    Attributes:
        delivery: where finished pictures lie.
        works: predictions by id.
        files: what is uploaded and not deleted, by id.
        deleted: the ids of deleted files.
        steps: how often a prediction is not ready before it succeeds.
        waits: whether a prediction ends while its creation is held.
        seconds: the longest deadline that a call may ask for.
        max_pixels: the largest picture that it takes.
        changes: what a finished prediction holds besides, or instead.
    """

    def __init__(self, *, key: str = KEY) -> None:
        super().__init__()
        self.key = key
        self.delivery = PictureOrigin(key)
        self.works: dict[str, Work] = {}
        self.files: dict[str, bytes] = {}
        self.deleted: list[str] = []
        self.steps = 1
        self.waits = True
        self.seconds = 180
        self.max_pixels = MEGAPIXEL
        self.changes: dict[str, Any] = {}

    async def __aenter__(self) -> Self:
        await self.delivery.__aenter__()
        return await super().__aenter__()

    async def __aexit__(self, *raised: object) -> None:
        await super().__aexit__(*raised)
        await self.delivery.__aexit__(*raised)

    @property
    def base_url(self) -> str:
        """What a client is given."""
        return f"{self.url}/v1"

    @property
    def cancels(self) -> list[str]:
        """The ids of cancelled predictions."""
        return [id for id, work in self.works.items() if work.status == "canceled"]

    def end(self) -> None:
        """Let all work end now, and what comes after it at once."""
        self.steps = 0
        for work in self.works.values():
            work.steps = 0

    def call_of(self, request: Received) -> str:
        path = request.path
        if path.startswith("/v1/files"):
            return "delete" if request.method == "DELETE" else "upload"
        if path == "/v1/account":
            return "account"
        if request.method == "POST":
            return "cancel" if path.endswith("/cancel") else "create"
        return "get" if path.startswith("/v1/predictions/") else "model"

    def check(self, request: Received) -> Answer | None:
        try:
            if request.headers.get("authorization") != f"Bearer {self.key}":
                raise _Wrong(problem(401, "You did not pass a valid authentication token"))
            _require(not request.query, "Unknown query parameter.")
            match self.call_of(request):
                case "create":
                    self._check_create(request)
                case "upload":
                    self._read_upload(request)
                case _:
                    _require(not request.body, "A body.")
        except _Wrong as wrong:
            return wrong.answer
        return None

    def answer(self, request: Received) -> Answer:
        match self.call_of(request):
            case "create":
                return self._create(request)
            case "upload":
                return self._upload(request)
            case "delete":
                return self._delete(request)
            case "account":
                return json_answer({"type": "organization", "username": "studio", "name": "A studio"})
            case "model":
                return self._model(request)
            case call:
                return self._look(request, cancel=call == "cancel")

    def prediction(self, id: str, **changes: Any) -> dict[str, Any]:
        """A prediction as the API tells it."""
        work = self.works[id]
        name, _, version = work.model.partition(":")
        urls = {"get": f"{self.base_url}/predictions/{id}", "cancel": f"{self.base_url}/predictions/{id}/cancel"}
        value = {
            "id": id,
            "model": name,
            "version": version or "hidden",
            "input": work.input,
            "output": None,
            "error": None,
            "logs": "",
            "data_removed": False,
            "status": work.status,
            "created_at": "2026-11-29T12:00:00Z",
            "urls": {**urls, "web": f"https://replicate.com/p/{id}"},
        }
        if work.status == "succeeded":
            # A file is there for one fetch: none is laid where the test names another output.
            output = None if "output" in self.changes else self.delivery.put(PICTURE, "image/png")
            shaped = output if work.model in (MODEL, OWN_MODEL) else [output]
            value |= {"output": shaped, "metrics": {"predict_time": 4.5, "total_time": 5.1}, **self.changes}
        return {**value, **changes}

    # What a right request is.

    def _check_create(self, request: Received) -> None:
        _require(request.headers.get("content-type") == "application/json", "Not JSON.")
        body, model = request.json(), self._model_of(request)
        deadline = re.fullmatch(r"([0-9]+)s", request.headers.get("cancel-after", ""))
        _require(deadline is not None or self.seconds < 5, "Cancel-After is missing.")
        _require(deadline is None or 5 <= int(deadline[1]) <= self.seconds, "Cancel-After is out of range.")
        if (prefer := request.headers.get("prefer")) is not None:
            wait = re.fullmatch(r"wait=([0-9]+)", prefer)
            _require(wait is not None and 1 <= int(wait[1]) <= min(60, self.seconds), f"Prefer: {prefer}")
        _require(body.keys() == ({"version", "input"} if ":" in model else {"input"}), "Unknown fields.")
        value = body["input"]
        unknown = value.keys() - FIELDS[model]
        _require(not unknown, f"Unexpected fields {sorted(unknown)}", status=422)
        _require(bool(value.get("prompt")), "- input: prompt is required", status=422)
        _require(value.get("output_format", "png") in ("jpg", "png", "webp"), "output_format", status=422)
        (field,) = FIELDS[model] & PHOTO_FIELDS
        sent = value.get(field)
        _require(isinstance(sent, list) != (field in _SINGLE), f"- input.{field}: wrong type", status=422)
        for each in sent if isinstance(sent, list) else [sent]:
            self._check_picture(each)

    def _model_of(self, request: Received) -> str:
        official = _CREATE.match(request.path)
        if official is None:
            _require(request.path == "/v1/predictions", f"Unknown path {request.path}.", status=404)
            model = str(request.json().get("version"))
            _require(":" in model, "An official model is not called by version.", status=422)
        else:
            model = official[1]
        _require(model in FIELDS, "The requested resource could not be found.", status=404)
        return model

    def _check_picture(self, value: Any) -> None:
        prefix = f"{self.base_url}/files/"
        if isinstance(value, str) and value.startswith(prefix):
            _require(value.removeprefix(prefix) in self.files, "There is no such file.", status=422)
            return
        fault = data_uri_fault(value, max_pixels=self.max_pixels)
        _require(fault is None, f"The picture: {fault}", status=422)
        _require(len(value) <= DATA_URI_BYTES, "The data URI is longer than advised.", status=413)

    def _read_upload(self, request: Received) -> bytes:
        _require(request.method == "POST" and request.path == "/v1/files", "Unknown path.", status=404)
        kind, options = multipart.parse_options_header(request.headers.get("content-type", ""))
        _require(kind == "multipart/form-data", "Not a multipart form.")
        parts = list(multipart.MultipartParser(io.BytesIO(request.body), options["boundary"], memory_limit=2**28))
        _require([part.name for part in parts] == ["content"] and bool(parts[0].filename), "One file `content`.")
        data: bytes = parts[0].raw
        fault = picture_fault(data, parts[0].content_type, max_pixels=self.max_pixels)
        _require(fault is None, f"The file: {fault}", status=422)
        return data

    # What the service does.

    def _create(self, request: Received) -> Answer:
        id = f"p{uuid4().hex[:25]}"
        work = self.works[id] = Work(self._model_of(request), request.json()["input"], self.steps)
        if "prefer" in request.headers and self.waits:
            work.status = "succeeded"
            return json_answer(self.prediction(id), status=201)
        return json_answer(self.prediction(id), status=201 if "prefer" in request.headers else 202)

    def _look(self, request: Received, *, cancel: bool) -> Answer:
        found = _PREDICTION.match(request.path)
        if found is None or found[1] not in self.works:
            return problem(404, "The requested resource could not be found.")
        work = self.works[found[1]]
        if cancel:
            if work.status in ("starting", "processing"):
                work.status = "canceled"
            return json_answer(self.prediction(found[1], output=None))
        if work.status in ("starting", "processing"):
            work.steps -= 1
            work.status = "processing" if work.steps >= 0 else "succeeded"
        return json_answer(self.prediction(found[1]))

    def _upload(self, request: Received) -> Answer:
        id = f"F{uuid4().hex[:20]}"
        self.files[id] = self._read_upload(request)
        about = {"content_type": "image/jpeg", "size": len(self.files[id]), "etag": "x", "metadata": {}}
        urls = {"urls": {"get": f"{self.base_url}/files/{id}"}, "expires_at": "2026-11-30T12:00:00Z"}
        return json_answer({"id": id, **about, **urls, "checksums": {}}, status=201)

    def _delete(self, request: Received) -> Answer:
        found = _FILE.match(request.path)
        if found is None or self.files.pop(found[1], None) is None:
            return problem(404, "The requested resource could not be found.")
        self.deleted.append(found[1])
        return Answer(204)

    def _model(self, request: Received) -> Answer:
        path = request.path.removeprefix("/v1/models/").replace("/versions/", ":")
        known = path in FIELDS
        return json_answer({"owner": "a", "name": "b"}) if known else problem(404, "Model not found")


# Answers of the service.


def problem(status: int, detail: str, *, headers: dict[str, str] | None = None) -> Answer:
    """An error of the API (RFC 7807)."""
    kind = {"Content-Type": "application/problem+json", **(headers or {})}
    value = {"type": "about:blank", "title": "Something", "status": status, "detail": detail, "instance": "/x"}
    return json_answer(value, status=status, headers=kind)


def throttled(seconds: int = 30) -> Answer:
    """Too many requests; how long to wait stands in the text alone."""
    return problem(429, f"Request was throttled. Your rate limit resets in ~{seconds}s.")


def _require(holds: bool, what: str, *, status: int = 400) -> None:
    if not holds:
        raise _Wrong(problem(status, what))
