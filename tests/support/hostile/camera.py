"""A well-behaved camera: a photo every second on a new connection, as booths send them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException

import msgspec

from tests.support import photos
from tests.support.hostile import files
from tests.support.hostile.crowd import HOST, PATIENCE_SECONDS
from tests.support.service import PASSWORD

ADDRESS = "127.0.0.251"
"""Not the one that proxies on this machine have, nor one of the strangers."""

_PERIOD_SECONDS = 1.0


class Shot(msgspec.Struct, frozen=True, kw_only=True):
    """One photo and what came back."""

    seconds: float
    status: int | None = None
    picture: bytes = b""
    problem: str = ""
    result: str = ""

    @property
    def is_answered(self) -> bool:
        return self.status == 200 and self.picture.startswith((b"\xff\xd8\xff", b"\x89PNG"))

    def __repr__(self) -> str:
        shown = f"{len(self.picture)} bytes" if self.is_answered else self.problem
        return f"{self.status} after {self.seconds:.2f} s: {shown}"


class Camera:
    """Sends photos from its address, every other one with the password behind the photo."""

    def __init__(self, port: int, *, address: str = ADDRESS, slot_id: str = "slot-001") -> None:
        self._port = port
        self._source = (address, 0)
        self._slot_id = slot_id
        photo = photos.jpeg(800, 600)
        self._forms = (files.form(photo, before=PASSWORD), files.form(photo, after=PASSWORD))
        self._sent = 0
        self._next_at = 0.0

    def shoot(self, count: int) -> list[Shot]:
        """So many photos, one a second, or slower where the answers are."""
        shots = []
        for _ in range(count):
            time.sleep(max(0.0, self._next_at - time.monotonic()))
            self._next_at = time.monotonic() + _PERIOD_SECONDS
            shots.append(self.send(self._forms[self._sent % 2]))
            self._sent += 1
        return shots

    def send(self, form: bytes, *, slot_id: str | None = None, headers: Mapping[str, str] | None = None) -> Shot:
        """One form and its answer; a Shot without a status where none came."""
        connection = HTTPConnection(HOST, self._port, timeout=PATIENCE_SECONDS, source_address=self._source)
        kind = f"multipart/form-data; boundary={files.BOUNDARY.decode()}"
        started = time.monotonic()
        try:
            connection.request(
                "POST", f"/ingest/{slot_id or self._slot_id}", form, {"Content-Type": kind, **(headers or {})}
            )
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, HTTPException) as error:
            return Shot(seconds=time.monotonic() - started, problem=f"{type(error).__name__}: {error}")
        finally:
            connection.close()
        taken = time.monotonic() - started
        is_problem = answer.status != 200
        return Shot(
            seconds=taken,
            status=answer.status,
            picture=b"" if is_problem else body,
            problem=body[:300].decode("utf-8", "replace") if is_problem else "",
            result=(answer.getheader("Link") or "").partition(">")[0].partition("://")[2].partition("/")[2],
        )
