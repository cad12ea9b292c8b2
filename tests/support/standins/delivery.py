"""Where finished pictures lie, an origin of its own that must never see a key; and checks of pictures that are sent."""

from __future__ import annotations

import base64
import binascii
import re
from uuid import uuid4

from .checks import picture_fault
from .server import Answer, Received, StandInServer

_DATA_URI = re.compile(r"data:(image/(?:jpeg|png|webp));base64,([A-Za-z0-9+/]+={0,2})\Z")


class DeliveryStandIn(StandInServer):
    """Files under addresses that nobody guesses; each is there for one fetch.

    A request with a key, a cookie or anything else that belongs to the service is refused and noted in `refused`.
    """

    def __init__(self, *, secret: str) -> None:
        super().__init__()
        self.secret = secret
        self.files: dict[str, tuple[bytes, str]] = {}
        self.fetched: list[str] = []

    def put(self, data: bytes, mime: str) -> str:
        """Lay a file there; its address."""
        path = f"/files/{uuid4().hex}"
        self.files[path] = (data, mime)
        return f"{self.url}{path}"

    def check(self, request: Received) -> Answer | None:
        shown = "\n".join([request.path, *request.query.values(), *request.headers.values()])
        if self.secret in shown or {"authorization", "x-key", "cookie"} & request.headers.keys():
            return Answer(400, b"a key is shown to the wrong host")
        return None if request.method == "GET" else Answer(405, b"only GET")

    def answer(self, request: Received) -> Answer:
        if request.path not in self.files:
            return Answer(404, b"<html>gone</html>", {"Content-Type": "text/html"})
        data, mime = self.files.pop(request.path)
        self.fetched.append(request.path)
        return Answer(200, data, {"Content-Type": mime})


def fault_of_data_uri(value: object, *, max_pixels: int) -> str | None:
    """What is wrong with a picture in a data URI; None for a right one."""
    found = _DATA_URI.match(value) if isinstance(value, str) else None
    if found is None:
        return "not a data URI of a picture"
    try:
        data = base64.b64decode(found[2], validate=True)
    except binascii.Error:
        return "not base64"
    return fault_of_picture(data, found[1], max_pixels=max_pixels)


def fault_of_picture(data: bytes, mime: str, *, max_pixels: int) -> str | None:
    """What is wrong with a picture that a service was sent; None for a right one."""
    return picture_fault(data, mime, max_pixels=max_pixels)
