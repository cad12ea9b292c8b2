"""A stand-in of the Gemini API: generateContent for pictures, the Files API, and the list of models.

It takes what the API reference documents for a photo to be edited and refuses everything else with the errors of the
API, so that a wrong request fails a test.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from typing import Any

from tests.support import photos

from .checks import FORMATS, picture_fault
from .server import Answer, Received, StandInServer, doubled_credentials, json_answer

KEY = "AIzaSyStandIn-gemini-6f1c0d9e"
MODEL = "gemini-nano-banana-2.1"
PICTURE = photos.png(96, 64)
"""What the model draws on a good day."""

USAGE = {
    "promptTokenCount": 1301,
    "candidatesTokenCount": 1290,
    "totalTokenCount": 2591,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 11}, {"modality": "IMAGE", "tokenCount": 1290}],
    "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1290}],
}

INLINE_LIMIT_BYTES = 20_000_000
MAX_PIXELS = 3072 * 3072
"""What the provider declares: the models scale down what is larger."""

_TYPE = "type.googleapis.com/google.rpc."
_GENERATE = re.compile(r"/v1/models/([^/:]+):generateContent\Z")
_FILE = re.compile(r"/v1/files/([a-z0-9-]{1,40})\Z")
_RATIOS = ("1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9", "1:4", "4:1", "1:8", "8:1")
_IMAGE_SETTINGS = frozenset({"aspectRatio", "imageSize"})


class Wrong(Exception):
    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.body)
        self.answer = answer


class GeminiStandIn(StandInServer):
    """Calls are named `call` (generateContent), `start`, `upload`, `delete` and `models`.

    Attributes:
        files: what is uploaded and not deleted, by name.
        deleted: the names of deleted files.
        models: the models that there are.
    """

    def __init__(self, *, key: str = KEY, models: Sequence[str] = (MODEL, "gemini-3.8-flash")) -> None:
        super().__init__()
        self.key = key
        self.models = list(models)
        self.files: dict[str, bytes] = {}
        self.deleted: list[str] = []
        self._starting: dict[str, dict[str, Any]] = {}

    def call_of(self, request: Received) -> str:
        if request.method == "DELETE":
            return "delete"
        if request.path == "/upload/v1/files":
            return "start" if request.headers.get("x-goog-upload-command") == "start" else "upload"
        return "models" if request.method == "GET" else "call"

    def check(self, request: Received) -> Answer | None:
        try:
            match self.call_of(request):
                case "call":
                    self._check_key(request)
                    self._check_generate(request)
                case "start":
                    self._check_key(request)
                    self._check_start(request)
                case "upload":
                    self._check_upload(request)
                case "delete":
                    self._check_key(request)
                    self._check_delete(request)
                case _:
                    self._check_key(request)
                    self._check_models(request)
        except Wrong as wrong:
            return wrong.answer
        return None

    def answer(self, request: Received) -> Answer:
        match self.call_of(request):
            case "call":
                return drawn()
            case "start":
                return self._start(request)
            case "upload":
                return self._upload(request)
            case "delete":
                name = _file_name(request)
                del self.files[name]
                self.deleted.append(name)
                return json_answer({})
            case _:
                return self._model_page(request)

    # What a right request is.

    def _check_key(self, request: Received) -> None:
        key = request.headers.get("x-goog-api-key")
        if key is None:
            raise Wrong(error(403, "PERMISSION_DENIED", "Method doesn't allow unregistered callers."))
        if key != self.key:
            raise Wrong(bad_key())
        if doubled_credentials(request) or "key" in request.query:
            raise Wrong(error(401, "UNAUTHENTICATED", "Request had more than one authentication credential."))

    def _check_generate(self, request: Received) -> None:
        match = _GENERATE.match(request.path)
        require(request.method == "POST" and match is not None, f"Unknown path {request.path}.")
        require(not request.query, "Unknown query parameter.")
        require(_is_json(request), "Not JSON.")
        require(len(request.body) <= INLINE_LIMIT_BYTES, "Request payload size exceeds the limit: 20 MB.")
        assert match is not None
        if match[1] not in self.models:
            raise Wrong(error(404, "NOT_FOUND", f"models/{match[1]} is not found for API version v1."))
        self.check_body(request)

    def check_body(self, request: Received, *, image_settings: frozenset[str] = _IMAGE_SETTINGS) -> None:
        body = _json(request)
        _only(body, {"contents", "generationConfig"}, "request")
        _check_config(body.get("generationConfig", {}), image_settings)
        contents = body.get("contents")
        require(isinstance(contents, list) and len(contents) == 1, "One content is needed.")
        _only(contents[0], {"role", "parts"}, "content")
        require(contents[0].get("role") == "user", "Please use a valid role: user, model.")
        parts = contents[0].get("parts")
        require(isinstance(parts, list) and bool(parts), "contents.parts must not be empty.")
        for part in parts:
            self._check_part(part)
        require(any("text" in part for part in parts), "There is no text.")
        require(any("text" not in part for part in parts), "There is no picture.")

    def _check_part(self, part: Any) -> None:
        require(isinstance(part, dict) and len(part) == 1, "A part has exactly one of text, inlineData, fileData.")
        if "text" in part:
            require(isinstance(part["text"], str) and part["text"].strip() != "", "Text must not be empty.")
        elif "inlineData" in part:
            _only(part["inlineData"], {"mimeType", "data"}, "inlineData")
            _check_picture(_base64(part["inlineData"].get("data")), part["inlineData"].get("mimeType"))
        else:
            _only(part, {"fileData"}, "part")
            _only(part["fileData"], {"mimeType", "fileUri"}, "fileData")
            name = str(part["fileData"].get("fileUri", "")).removeprefix(f"{self.url}/v1/files/")
            if name not in self.files:
                raise Wrong(_no_file())
            _check_picture(self.files[name], part["fileData"].get("mimeType"))

    def _check_start(self, request: Received) -> None:
        headers = request.headers
        require(request.method == "POST", "Unknown method.")
        require(headers.get("x-goog-upload-protocol") == "resumable", "Only resumable uploads are known.")
        require(headers.get("x-goog-upload-header-content-length", "").isdigit(), "The length is missing.")
        require(_is_json(request), "Not JSON.")
        body = _json(request)
        _only(body, {"file"}, "request")
        _only(body["file"], {"name", "mimeType", "sizeBytes", "displayName"}, "file")
        require(re.fullmatch(r"files/[a-z0-9][a-z0-9-]{0,39}", str(body["file"].get("name"))) is not None, "Name.")
        mime = headers.get("x-goog-upload-header-content-type")
        require(mime == body["file"].get("mimeType") and mime in FORMATS, "Unsupported MIME type.")

    def _check_upload(self, request: Received) -> None:
        start = self._starting.get(request.query.get("upload_id", ""))
        require(start is not None, "There is no such upload.")
        assert start is not None
        require(request.headers.get("x-goog-upload-command") in ("upload", "upload, finalize"), "Unknown command.")
        require(request.headers.get("x-goog-upload-offset") == str(len(start["data"])), "Wrong offset.")
        if request.headers["x-goog-upload-command"] == "upload, finalize":
            whole = start["data"] + request.body
            require(len(whole) == start["size_bytes"], "The length is not what was announced.")
            _check_picture(whole, start["mime"])

    def _check_delete(self, request: Received) -> None:
        if not _FILE.match(request.path) or _file_name(request) not in self.files:
            raise Wrong(_no_file())

    def _check_models(self, request: Received) -> None:
        require(request.path == "/v1/models", f"Unknown path {request.path}.")
        require(set(request.query) <= {"pageSize", "pageToken"}, "Unknown query parameter.")
        require(0 < int(request.query.get("pageSize", "50")) <= 1000, "page_size must be at most 1000.")

    # What the service does.

    def _start(self, request: Received) -> Answer:
        file = _json(request)["file"]
        upload_id = f"upload-session-{len(self._starting)}"
        size_bytes = int(request.headers["x-goog-upload-header-content-length"])
        self._starting[upload_id] = {
            "name": file["name"].removeprefix("files/"),
            "mime": file["mimeType"],
            "size_bytes": size_bytes,
            "data": b"",
        }
        url = f"{self.url}/upload/v1/files?upload_id={upload_id}&upload_protocol=resumable"
        return Answer(200, b"", {"X-Goog-Upload-URL": url, "X-Goog-Upload-Status": "active"})

    def _upload(self, request: Received) -> Answer:
        start = self._starting[request.query["upload_id"]]
        start["data"] += request.body
        if request.headers["x-goog-upload-command"] == "upload":
            return Answer(200, b"", {"X-Goog-Upload-Status": "active"})
        self.files[start["name"]] = start["data"]
        file = {
            "name": f"files/{start['name']}",
            "uri": f"{self.url}/v1/files/{start['name']}",
            "mimeType": start["mime"],
            "sizeBytes": str(start["size_bytes"]),
            "state": "ACTIVE",
        }
        return json_answer({"file": file}, headers={"X-Goog-Upload-Status": "final"})

    def _model_page(self, request: Received) -> Answer:
        size = int(request.query.get("pageSize", "50"))
        first = int(request.query.get("pageToken", "0"))
        page: dict[str, Any] = {
            "models": [{"name": f"models/{name}", "version": "1"} for name in self.models[first : first + size]]
        }
        if first + size < len(self.models):
            page["nextPageToken"] = str(first + size)
        return json_answer(page)


# Answers of the service.


def drawn(
    picture: bytes = PICTURE, *, mime: str = "image/png", reason: str = "STOP", before: Sequence[dict[str, Any]] = ()
) -> Answer:
    """An answer with a picture; `before` are parts that stand before it."""
    part = {"inlineData": {"mimeType": mime, "data": base64.b64encode(picture).decode()}}
    return content([*before, part], reason=reason)


def content(parts: Sequence[dict[str, Any]], *, reason: str = "STOP") -> Answer:
    """An answer with these parts."""
    return candidates([{"content": {"role": "model", "parts": list(parts)}, "finishReason": reason, "index": 0}])


def without_content(reason: str, message: str | None = None) -> Answer:
    """An answer whose candidate has a finish reason and no content."""
    detail = {} if message is None else {"finishMessage": message}
    return candidates([{"finishReason": reason, "index": 0, **detail}])


def candidates(values: list[dict[str, Any]]) -> Answer:
    """An answer with these candidates."""
    about = {"usageMetadata": USAGE, "modelVersion": MODEL, "responseId": "resp-4711"}
    return json_answer({"candidates": values, **about})


def blocked(reason: str) -> Answer:
    """The prompt, or the photo, was blocked."""
    usage = {"promptTokenCount": 1301, "totalTokenCount": 1301}
    about = {"usageMetadata": usage, "modelVersion": MODEL, "responseId": "resp-4712"}
    return json_answer({"promptFeedback": {"blockReason": reason}, **about})


def error(
    status: int,
    name: str,
    message: str,
    *,
    details: Sequence[dict[str, Any]] = (),
    headers: dict[str, str] | None = None,
) -> Answer:
    """An error of the API."""
    value: dict[str, Any] = {"code": status, "message": message, "status": name}
    if details:
        value["details"] = list(details)
    return json_answer({"error": value}, status=status, headers=headers)


def bad_key() -> Answer:
    """The key is not one; the API says so with 400."""
    info = {"@type": f"{_TYPE}ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"}
    return error(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", details=[info])


def rate_limited(
    *,
    delay: str | None = None,
    quota: dict[str, str] | None = None,
    message: str = "You exceeded your current quota, please check your plan and billing details.",
    headers: dict[str, str] | None = None,
) -> Answer:
    """429, with the delay and the quota that the details name."""
    details: list[dict[str, Any]] = [{"@type": f"{_TYPE}Help", "links": [{"description": "Learn more", "url": "x"}]}]
    if quota is not None:
        details.append({"@type": f"{_TYPE}QuotaFailure", "violations": [quota]})
    if delay is not None:
        details.append({"@type": f"{_TYPE}RetryInfo", "retryDelay": delay})
    return error(429, "RESOURCE_EXHAUSTED", message, details=details, headers=headers)


def _no_file() -> Answer:
    return error(403, "PERMISSION_DENIED", "You do not have permission to access the File or it may not exist.")


# Checks.


def require(holds: bool, what: str) -> None:
    if not holds:
        raise Wrong(error(400, "INVALID_ARGUMENT", what))


def _only(value: Any, known: set[str], name: str) -> None:
    require(isinstance(value, dict), f"Invalid value at {name}.")
    unknown = sorted(set(value) - known)
    require(not unknown, f"Invalid JSON payload received. Unknown name {unknown} at '{name}': Cannot find field.")


def _json(request: Received) -> Any:
    try:
        return in_camel_case(request.json())
    except ValueError:
        raise Wrong(error(400, "INVALID_ARGUMENT", "Invalid JSON payload received.")) from None


def in_camel_case(value: Any) -> Any:
    """Names in camelCase: the API takes them in snake_case as well (the JSON form of protocol buffers)."""
    if isinstance(value, list):
        return [in_camel_case(each) for each in value]
    if isinstance(value, dict):
        return {re.sub(r"_([a-z])", lambda m: m[1].upper(), name): in_camel_case(each) for name, each in value.items()}
    return value


def _check_config(config: Any, image_settings: frozenset[str]) -> None:
    known = {"responseModalities", "imageConfig", "temperature", "seed", "thinkingConfig"}
    _only(config, known, "generation_config")
    modalities = config.get("responseModalities")
    require(isinstance(modalities, list) and set(modalities) in ({"IMAGE"}, {"TEXT", "IMAGE"}), "Modalities.")
    image = config.get("imageConfig", {})
    _only(image, set(image_settings), "image_config")
    people = image.get("personGeneration", "ALLOW_ALL")
    require(people in ("ALLOW_ALL", "ALLOW_ADULT", "ALLOW_NONE"), "person_generation must be one of the known ones.")
    thinking = config.get("thinkingConfig", {})
    _only(thinking, {"thinkingLevel"}, "thinking_config")
    level = thinking.get("thinkingLevel", "LOW")
    require(level in ("MINIMAL", "LOW", "MEDIUM", "HIGH", "XHIGH"), "thinking_level must be one of the known ones.")
    seed = config.get("seed", 0)
    require(type(seed) is int and -(2**31) <= seed < 2**31, "seed must be an int32.")
    require(image.get("aspectRatio", "1:1") in _RATIOS, "aspect_ratio must be one of the known ones.")
    require(image.get("imageSize", "1K") in ("512", "1K", "2K", "4K"), "image_size must be one of the known ones.")
    temperature = config.get("temperature", 1)
    number = isinstance(temperature, int | float) and not isinstance(temperature, bool)
    require(number and 0 <= temperature <= 2, "temperature must be in [0, 2].")


def _base64(text: Any) -> bytes:
    require(isinstance(text, str), "Invalid value at data: Base64 decoding failed.")
    try:
        return base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except binascii.Error:
        raise Wrong(error(400, "INVALID_ARGUMENT", "Invalid value at data: Base64 decoding failed.")) from None


def _is_json(request: Received) -> bool:
    kind = request.headers.get("content-type", "").lower().replace(" ", "")
    return kind in ("application/json", "application/json;charset=utf-8")


def _check_picture(data: bytes, mime: Any) -> None:
    fault = picture_fault(data, mime, max_pixels=MAX_PIXELS)
    require(fault is None, fault or "")


def _file_name(request: Received) -> str:
    return request.path.removeprefix("/v1/files/")
