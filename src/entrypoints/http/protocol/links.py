"""Public links: with the configured address, otherwise with the address of the request."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

_HOST = re.compile(r"[A-Za-z0-9._-]+(:\d{1,5})?\Z|\[[0-9A-Fa-f:.]+\](:\d{1,5})?\Z")


class UrlBuilder:
    """The links of one request."""

    def __init__(self, scope: Any, public_base_url: str | None) -> None:
        if public_base_url is None:
            server, port = scope.get("server") or ("localhost", None)
            given = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "")
            host = given if _HOST.match(given) else f"{server}:{port}" if port else server
            public_base_url = f"{scope['scheme']}://{host}{scope.get('root_path', '').rstrip('/')}"
        self._base = public_base_url

    @property
    def base(self) -> str:
        """What all links begin with."""
        return self._base

    def ingest(self, slot_id: str) -> str:
        return f"{self._base}/ingest/{slot_id}"

    def gallery(self, slot_id: str) -> str:
        return f"{self._base}/gallery/{slot_id}"

    def media(self, media_id: UUID) -> str:
        return f"{self._base}/public/media/{media_id}"

    def template(self, template_id: UUID) -> str:
        return f"{self._base}/api/template-media/{template_id}"

    def result(self, job_id: UUID) -> str:
        return f"{self._base}/public/results/{job_id}"

    def thumbnail(self, job_id: UUID) -> str:
        return self.thumbnail_of(self.result(job_id))

    @staticmethod
    def thumbnail_of(result: str) -> str:
        """The thumbnail's link, by that of the result."""
        return f"{result}/thumbnail"

    def job(self, job_id: UUID, token: str) -> str:
        return f"{self._base}/api/jobs/{job_id}?token={token}"
