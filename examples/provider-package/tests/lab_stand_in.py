"""A stand-in of the laboratory on loopback: it checks what it gets, and does what the suite asks of it."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from typing import Any, Self

from photochanger.testing import sample_picture
from PIL import Image

KEY = "lab-key-93f1"


class LabStandIn:
    """The service. It is also its own ServiceControls: `hold`, `refuse` and `fail` are for the next work.

    Attributes:
        prints: the state of each piece of work, by its id.
        cancelled: the ids that were deleted.
        wrong: what was wrong with requests; empty after a test where all went right.
    """

    def __init__(self) -> None:
        self.url = ""
        self.prints: dict[str, str] = {}
        self.cancelled: list[str] = []
        self.wrong: list[str] = []
        self._next: str | None = None
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.StreamWriter] = set()
        self._changed = asyncio.Condition()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *raised: object) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._connections:
            writer.close()

    # What the suite needs.

    @property
    def submitted(self) -> int:
        return len(self.prints)

    async def hold(self) -> None:
        self._next = "waiting"
        self._before = len(self.prints), len(self.cancelled)

    async def has_begun(self) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.prints) > self._before[0])

    async def was_given_up(self) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.cancelled) > self._before[1])

    async def release(self) -> None:
        self.prints = {id: "done" if state == "waiting" else state for id, state in self.prints.items()}

    async def refuse(self) -> None:
        self._next = "refused"

    async def fail(self) -> None:
        self._next = "down"

    # The service.

    def _answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, Any]]:
        if headers.get("authorization") != f"Bearer {KEY}":
            return 401, {"error": "no key"}
        if method == "POST":
            return self._submit(path, headers, body)
        id = path.removeprefix("/prints/")
        if id not in self.prints:
            return 404, {"error": "unknown"}
        if method == "DELETE":
            self.cancelled.append(id)
            return 200, {}
        state = self.prints[id]
        if state == "refused":
            return 200, {"state": state, "reason": "no people, please"}
        done = {"picture": base64.b64encode(sample_picture().data).decode(), "cents": 3} if state == "done" else {}
        return 200, {"state": state, **done}

    def _submit(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, Any]]:
        state, self._next = self._next or "done", None
        if state == "down":
            return 503, {"error": "closed"}
        if (
            path not in ("/prints?print=sepia", "/prints?print=cyanotype")
            or headers.get("content-type") != "image/jpeg"
        ):
            self.wrong.append(f"{path} {headers.get('content-type')}")
            return 400, {"error": "wrong request"}
        try:
            with Image.open(io.BytesIO(body)) as photo:
                photo.load()
        except OSError:
            return 422, {"error": "no photo"}
        id = f"p-{len(self.prints) + 1}"
        self.prints[id] = state
        return 202, {"id": id, "cents": 3}

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                first, *lines = head.decode("latin-1").split("\r\n")[:-2]
                method, path, _ = first.split(" ")
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                status, document = self._answer(method, path, headers, body)
                answer = json.dumps(document).encode()
                writer.write(f"HTTP/1.1 {status} -\r\nContent-Length: {len(answer)}\r\n\r\n".encode() + answer)
                await writer.drain()
                async with self._changed:
                    self._changed.notify_all()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client is done
        finally:
            self._connections.discard(writer)
            writer.close()
