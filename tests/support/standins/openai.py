"""A stand-in of OpenAI's API: the images edit endpoint and the list of models.

It takes what the API reference documents for GPT image models and refuses everything else with the errors of the API,
so that a wrong request fails a test.
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Sequence
from typing import Any

import multipart

from tests.support import photos

from .checks import picture_fault
from .server import Answer, Received, StandInServer, doubled_credentials, json_answer

KEY = "sk-proj-StandInOpenAI-3b9d7a52"
MODEL = "gpt-image-2.6-flare"
PICTURE = photos.jpeg(96, 64)
"""What the model draws on a good day."""

MAX_IMAGE_BYTES = 50_000_000
MAX_PIXELS = 3840 * 2160
"""What the provider declares: the models make no larger picture."""

_MIMES = ("image/jpeg", "image/png", "image/webp")
_VALUES = {
    "quality": {"auto", "low", "medium", "high", "xhigh", "max"},
    "output_format": {"png", "jpeg", "webp"},
    "complexity": {"low", "medium", "high"},
    "input_fidelity": {"low", "high"},
    "background": {"auto", "opaque", "transparent"},
    "n": {str(number) for number in range(1, 11)},
    "output_compression": {str(percent) for percent in range(101)},
}
_TEXTS = {"prompt", "model", "size"}


class Wrong(Exception):
    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.body)
        self.answer = answer


class OpenAIStandIn(StandInServer):
    """Calls are named `call` (images edit) and `models`. `base_url` is what a client is given."""

    def __init__(self, *, key: str = KEY, models: Sequence[str] = (MODEL, "gpt-5.5", "gpt-image-2")) -> None:
        super().__init__()
        self.key = key
        self.models = list(models)

    @property
    def base_url(self) -> str:
        return f"{self.url}/v1"

    def call_of(self, request: Received) -> str:
        return "models" if request.method == "GET" else "call"

    def check(self, request: Received) -> Answer | None:
        try:
            if request.headers.get("authorization") != f"Bearer {self.key}":
                raise Wrong(bad_key(request.headers.get("authorization", "").removeprefix("Bearer ")))
            _require(not doubled_credentials(request), "There is more than one API key.", status=401)
            _require(not request.query, "Unknown query parameter.")
            if self.call_of(request) == "models":
                _require(request.path == "/v1/models", f"Invalid URL (GET {request.path})", status=404)
            else:
                known = request.method == "POST" and request.path == "/v1/images/edits"
                _require(known, f"Invalid URL ({request.method} {request.path})", status=404)
                self.check_edit(request)
        except Wrong as wrong:
            return wrong.answer
        return None

    def answer(self, request: Received) -> Answer:
        if self.call_of(request) == "models":
            listed = [{"id": name, "object": "model", "created": 1, "owned_by": "openai"} for name in self.models]
            return json_answer({"object": "list", "data": listed}, headers=_ID)
        return drawn()

    def check_edit(self, request: Received) -> None:
        """Refuse a form that the endpoint does not take."""
        parts = form_parts(request)
        names = [part.name for part in parts]
        texts = {part.name: part.value for part in parts if part.filename is None}
        files = [part for part in parts if part.filename is not None]
        _require(len(texts) == len(names) - len(files), "Duplicate parameter.")
        unknown = sorted(set(texts) - _TEXTS - set(_VALUES))
        _require(not unknown, f"Unknown parameter: {unknown}.", code="unknown_parameter")
        for name, values in _VALUES.items():
            _require(name not in texts or texts[name] in values, f"Invalid value for {name}.", code="invalid_value")
        _require(0 < len(texts.get("prompt", "")) <= 32_000, "Missing or too long: prompt.")
        _check_size(texts.get("size", "auto"))
        _require("output_compression" not in texts or texts.get("output_format") != "png", "Compression with png.")
        transparent = texts.get("background") == "transparent"
        _require(not transparent or texts.get("output_format") != "jpeg", "Transparent background is not for jpeg.")
        if texts.get("model") not in self.models:
            raise Wrong(no_model(texts.get("model", "")))
        _require(0 < len(files) <= 16, "Between 1 and 16 images are needed.")
        for part in files:
            _require(part.name in ("image", "image[]"), "Unknown file.", code="unknown_parameter")
            data = part.raw
            _require(len(data) < MAX_IMAGE_BYTES, "Image is too large.", status=413)
            _require(part.content_type in _MIMES, "Unsupported MIME type.", code="unsupported_file_mimetype")
            fault = picture_fault(data, part.content_type, max_pixels=MAX_PIXELS)
            _require(fault is None, f"Invalid image file or mode. {fault}", code="invalid_image_file")


def form_parts(request: Received) -> list[Any]:
    """The parts of the form: `name`, `value` of texts, `filename`, `content_type` and `raw` of files."""
    kind, options = multipart.parse_options_header(request.headers.get("content-type", ""))
    _require(kind == "multipart/form-data" and bool(options.get("boundary")), "Not a multipart form.")
    parser = multipart.MultipartParser(
        io.BytesIO(request.body), options["boundary"], memory_limit=2**28, disk_limit=2**28, spool_limit=2**28
    )
    return list(parser)


# Answers of the service.

_ID = {"x-request-id": "req-0815"}


def drawn(picture: bytes = PICTURE) -> Answer:
    """An answer with a picture."""
    return data([{"b64_json": base64.b64encode(picture).decode()}])


def data(images: list[dict[str, Any]] | None) -> Answer:
    """An answer with these as its `data`; None leaves it out."""
    details = {"image_tokens": 300, "text_tokens": 20}
    usage = {"input_tokens": 320, "input_tokens_details": details, "output_tokens": 1056, "total_tokens": 1376}
    body: dict[str, Any] = {"created": 1_790_000_000, "size": "1024x1024", "quality": "high", "usage": usage}
    return json_answer(body if images is None else {**body, "data": images}, headers=_ID)


def error(
    status: int,
    message: str,
    *,
    code: str | None = None,
    kind: str = "invalid_request_error",
    headers: dict[str, str] | None = None,
) -> Answer:
    """An error of the API."""
    value = {"message": message, "type": kind, "param": None, "code": code}
    return json_answer({"error": value}, status=status, headers={**_ID, **(headers or {})})


def bad_key(key: str) -> Answer:
    """The key is not one; the message shows parts of it, as the service's does."""
    shown = f"{key[:12]}***{key[-4:]}"
    return error(401, f"Incorrect API key provided: {shown}. You can find your API key online.", code="invalid_api_key")


def no_model(model: str) -> Answer:
    """There is no such model."""
    message = f"The model '{model}' does not exist or you do not have access to it."
    return error(404, message, code="model_not_found")


def rate_limited(*, code: str = "rate_limit_exceeded", headers: dict[str, str] | None = None) -> Answer:
    """429 with these headers."""
    return error(429, "Rate limit reached for images per min.", code=code, kind="requests", headers=headers)


# Checks.


def _require(holds: bool, what: str, *, status: int = 400, code: str | None = None) -> None:
    if not holds:
        raise Wrong(error(status, what, code=code))


def _check_size(size: str) -> None:
    if size == "auto":
        return
    match = re.fullmatch(r"(\d+)x(\d+)", size)
    _require(match is not None, "Invalid size.", code="invalid_value")
    assert match is not None
    width, height = int(match[1]), int(match[2])
    _require(width % 16 == 0 and height % 16 == 0, "Width and height must be divisible by 16.", code="invalid_value")
    _require(max(width, height) <= 3 * min(width, height), "The aspect ratio is too extreme.", code="invalid_value")
