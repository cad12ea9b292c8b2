"""A stand-in of Turbotext: the queue of its API and the place of its finished pictures, strict about every field."""

from __future__ import annotations

import asyncio
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from tests.support import photos

from .checks import picture_fault
from .picture_origin import PictureOrigin
from .server import Answer, Exchange, Received, StandInServer, doubled_credentials, json_answer

KEY = "turbotext-key-7f3a9c"

MAX_PICTURE_BYTES = 10 * 1024 * 1024
MAX_PIXELS = 16_000_000
"""The limits of photos and templates that the provider declares; the service documents none."""

_FORM = "application/x-www-form-urlencoded"

FieldCheck = Callable[[str], bool]


def _link(value: str) -> bool:
    parts = urlsplit(value)
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _whole(low: int, high: int) -> FieldCheck:
    return lambda value: value.isascii() and value.isdigit() and low <= int(value) <= high


def _number(low: float, high: float) -> FieldCheck:
    def check(value: str) -> bool:
        try:
            return low <= float(value) <= high
        except ValueError:
            return False

    return check


REQUIRED: Mapping[str, Mapping[str, FieldCheck]] = {
    "generate_image2image": {"url": _link, "content": bool},
    "mix_images": {"url": _link, "url_image_target": _link},
    "deepfake_photo": {"url": _link, "url_image_target": _link},
}
OPTIONAL: Mapping[str, Mapping[str, FieldCheck]] = {
    "generate_image2image": {
        "strength": _whole(0, 80),
        "seed": _whole(1, 10**10),
        "scale": _number(0.1, 20),
        "negative_prompt": bool,
        "original_language": lambda value: len(value) == 2 and value.isalpha(),
        "user_id": _whole(1, 2**53),
    },
    "mix_images": {"content": bool},
    "deepfake_photo": {"face_restore": lambda value: value in ("True", "False")},
}


class TurbotextStandIn(StandInServer):
    """The service. Calls are named `create`, `poll` and `page`; finished pictures lie at another origin, `pictures`.

    Attributes:
        key: the one key that it takes.
        reconnects: how often it asks to come again before work is finished.
        first_id: the first queueid; an int or a str, and so are those that follow.
        pictures: where finished pictures lie, which must never see the key.
        picture: what is at the link of finished work.
        picture_url: the link, where it is not to be one of that origin.
        under_data: the link stands under `data` instead of at the top.
        queued: the method and the fields of the work that was queued, by queueid.
    """

    def __init__(self, *, key: str = KEY) -> None:
        super().__init__()
        self.key = key
        self.reconnects = 1
        self.first_id: int | str = 4711
        self.pictures = PictureOrigin(key)
        self.picture = photos.png(64, 48)
        self.picture_url: str | None = None
        self.under_data = False
        self.queued: dict[str, tuple[str, dict[str, str]]] = {}
        self._asked: dict[str, int] = {}

    async def __aenter__(self) -> Self:
        await self.pictures.__aenter__()
        return await super().__aenter__()

    async def __aexit__(self, *raised: object) -> None:
        await super().__aexit__(*raised)
        await self.pictures.__aexit__(*raised)

    def call_of(self, request: Received) -> str:
        if not request.path.startswith("/api_ai/"):
            return "page"
        return "poll" if _fields(request).get("do") == "get_result" else "create"

    def check(self, request: Received) -> Answer | None:
        wanted = "POST" if request.path.startswith("/api_ai/") else "GET"
        if request.method != wanted:
            return Answer(405)
        if wanted == "GET":
            # The page is open to everyone: the key has no place in its request.
            return Answer(400, b"a key is shown for nothing") if "authorization" in request.headers else None
        if request.headers.get("authorization") != f"Bearer {self.key}" or doubled_credentials(request):
            return json_answer({"success": False, "error": "auth"}, status=401)
        if request.headers.get("content-type") != _FORM:
            return _wrong(f"Content-Type {request.headers.get('content-type')}")
        return self._check_form(request.path.removeprefix("/api_ai/"), request)

    def answer(self, request: Received) -> Answer:
        match self.call_of(request):
            case "create":
                return self._create(request)
            case "poll":
                return self._result(_fields(request)["queueid"])
            case _:
                return Answer(200, b"<html>Turbotext</html>", {"Content-Type": "text/html"})

    def finished(self) -> Answer:
        """The answer to the question for a result when the work is done."""
        url = self.picture_url or self.pictures.put(self.picture)
        data: dict[str, Any] = {"forbidden_content": False, "image": ["image/result.png"]}
        whole: dict[str, Any] = {"success": True, "error": "", "data": data}
        (data if self.under_data else whole)["uploaded_image"] = url
        return json_answer(whole)

    def _check_form(self, method: str, request: Received) -> Answer | None:
        pairs = parse_qsl(request.body.decode("ascii"), keep_blank_values=True, strict_parsing=True)
        fields = dict(pairs)
        if method not in REQUIRED:
            return Answer(404)
        if len(fields) != len(pairs):
            return _wrong("a field is there twice")
        match fields.pop("do", None):
            case "get_result":
                return None if set(fields) == {"queueid"} else _wrong(f"get_result with {sorted(fields)}")
            case "create_queue":
                return _check_fields(method, fields)
            case other:
                return _wrong(f"do={other}")

    def _create(self, request: Received) -> Answer:
        fields = _fields(request)
        del fields["do"]
        number = len(self.queued)
        queue_id = self.first_id + number if isinstance(self.first_id, int) else f"{self.first_id}{number or ''}"
        self.queued[str(queue_id)] = (request.path.removeprefix("/api_ai/"), fields)
        return json_answer({"success": True, "queueid": queue_id})

    def _result(self, queue_id: str) -> Answer:
        if queue_id not in self.queued:
            return json_answer({"success": False, "error": "queue_not_found"})
        asked = self._asked[queue_id] = self._asked.get(queue_id, 0) + 1
        return self.finished() if asked > self.reconnects else json_answer({"action": "reconnect"})


def refusing(error: str) -> Answer:
    """The answer of the service when it will not."""
    return json_answer({"success": False, "error": error})


async def fetch_pictures(exchange: Exchange) -> None:
    """Queue work as the real service does it: only where every link leads to a picture. For the call `create`."""
    links = [value for name, value in _fields(exchange.request).items() if name.startswith("url")]
    for link in links:
        if not await asyncio.to_thread(_leads_to_picture, link):
            await exchange.send(refusing("url_error"))
            return
    await exchange.send(exchange.good())


def _leads_to_picture(link: str) -> bool:
    try:
        with urllib.request.urlopen(link, timeout=180) as answer:
            data, mime = answer.read(), answer.headers.get_content_type()
    except OSError:
        return False
    return picture_fault(data, mime, max_bytes=MAX_PICTURE_BYTES, max_pixels=MAX_PIXELS) is None


def _fields(request: Received) -> dict[str, str]:
    return dict(parse_qsl(request.body.decode("latin-1"), keep_blank_values=True))


def _check_fields(method: str, fields: Mapping[str, str]) -> Answer | None:
    known = {**REQUIRED[method], **OPTIONAL[method]}
    for name in REQUIRED[method]:
        if name not in fields:
            return _wrong(f"{name} is missing")
    for name, value in fields.items():
        check = known.get(name)
        if check is None:
            return _wrong(f"{name} is unknown to {method}")
        if not check(value):
            return _wrong(f"{name}={value}")
    return None


def _wrong(what: str) -> Answer:
    return json_answer({"success": False, "error": "params_error", "what": what})
