"""The service that pictures are fetched from: signing in, and the list of its pictures. Nothing it says is trusted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, TypeVar
from uuid import UUID

import httpx2
import msgspec

from ....core.domain.media import MIME_EXTENSIONS
from ....core.domain.results.files import kept_name
from ..send.response import Answer, one_line, problem_of

PAGE = 200

_MAX_ANSWER_BYTES = 4 * 1024 * 1024

_T = TypeVar("_T", bound=msgspec.Struct)


class Refused(Exception):
    """The service cannot be used; the text says why, in one line."""


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """The file of a picture."""

    mime: str
    size_bytes: Annotated[int, msgspec.Meta(ge=1)]
    sha256: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """A picture in the list of the service."""

    job_id: UUID
    slot_id: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    completed_at: Annotated[datetime, msgspec.Meta(tz=True)]
    result: Picture

    @property
    def name(self) -> str:
        """Its path below the output folder, the same as in an archive. KeyError for an unknown type."""
        return kept_name(self.slot_id, self.job_id, ended_at=self.completed_at, mime=self.result.mime)


class _Page(msgspec.Struct, frozen=True, kw_only=True):
    items: list[Listed]
    next_cursor: str | None


class _Token(msgspec.Struct, frozen=True, kw_only=True):
    access_token: str

    def __repr__(self) -> str:
        return "_Token()"


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which pictures to fetch."""

    slot_ids: tuple[str, ...]
    ended_from: datetime | None
    ended_to: datetime | None

    @property
    def query(self) -> dict[str, str]:
        """The conditions as query parameters."""
        given = {
            "slot_id": ",".join(self.slot_ids),
            "from": self.ended_from and self.ended_from.isoformat(),
            "to": self.ended_to and self.ended_to.isoformat(),
        }
        return {name: value for name, value in given.items() if value}


class ServiceApi:
    """The API of the service at this address, for one administrator."""

    def __init__(self, http: httpx2.AsyncClient, base: str, *, username: str, password: str) -> None:
        self._http = http
        self._base = base
        self._credentials = {"username": username, "password": password}
        self._token: str | None = None

    def picture_url(self, job_id: UUID) -> str:
        """The address of a picture at the service as this machine reaches it."""
        return f"{self._base}/public/results/{job_id}"

    async def pictures(self, wanted: Wanted) -> AsyncIterator[list[Listed]]:
        """Yield the pictures page by page, newest first. Refused, RequestError."""
        query = {**wanted.query, "limit": str(PAGE)}
        while True:
            page = await self._page(query)
            yield [listed for listed in page.items if listed.result.mime in MIME_EXTENSIONS]
            if page.next_cursor is None:
                return
            query["cursor"] = page.next_cursor

    async def _page(self, query: dict[str, str]) -> _Page:
        for renewed in (False, True):
            if self._token is None or renewed:
                self._token = await self._sign_in()
            headers = {"Authorization": f"Bearer {self._token}"}
            answer = await self._ask("GET", "/api/results", params=query, headers=headers)
            if answer.status != HTTPStatus.UNAUTHORIZED:
                break
        return _decoded(answer, _Page)

    async def _sign_in(self) -> str:
        answer = await self._ask("POST", "/api/login", json=self._credentials)
        return _decoded(answer, _Token).access_token

    async def _ask(self, method: str, path: str, **options: Any) -> Answer:
        body = bytearray()
        async with self._http.stream(method, f"{self._base}{path}", **options) as answer:
            async for chunk in answer.aiter_bytes():
                body += chunk
                if len(body) > _MAX_ANSWER_BYTES:
                    raise Refused("The answer is larger than any list of pictures. Check --url.")
        return Answer(answer.status_code, answer.headers, bytes(body), 0)


def _decoded(answer: Answer, kind: type[_T]) -> _T:
    if answer.status != HTTPStatus.OK:
        problem = problem_of(answer)
        raise Refused(f"{answer.status} {problem.code}: {problem.detail}")
    try:
        return msgspec.json.decode(answer.body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Refused(f"The answer is not one of PhotoChanger ({one_line(str(error))}). Check --url.") from None
