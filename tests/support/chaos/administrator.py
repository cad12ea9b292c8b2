"""The administrator of a form: sets its slots and webhooks up, and reads its statistics."""

from __future__ import annotations

from typing import Any

import httpx

from tests.support.chaos.form import ADMIN, Form
from tests.support.chaos.pace import until
from tests.support.plain_http import NO_TLS

ENTRY_SECONDS = 60
_PATIENCE_SECONDS = 20.0

SLOTS: dict[str, dict[str, Any]] = {
    "slot-001": {},
    "slot-002": {"route": "fallback"},
    "slot-003": {"late_rescue": True},
    "slot-004": {"route": "fallback", "hedge": True},
    "slot-005": {"failure_answer": "branded"},
}
"""What each slot tries besides the moody provider."""

RESCUED = ("slot-003",)
_FALLBACK = {"provider_id": "local", "operation_id": "enhance", "settings": {}}
_BRANDED = {"operation_id": "frame", "settings": {"style": "party"}}


class Administrator:
    """Signed in once; the token outlives restarts of the service."""

    def __init__(self, form: Form) -> None:
        self._form = form
        self.headers: dict[str, str] = {}

    async def sign_in(self) -> None:
        answer = await self._ask("POST", "/api/login", json=ADMIN)
        self.headers = {"Authorization": f"Bearer {answer['access_token']}"}

    async def set_up(self, *, provider: str, receiver: str) -> None:
        """The slots that photos go to, each with a webhook."""
        for slot_id, how in SLOTS.items():
            settings = {"url": f"{provider}/{slot_id}", "prompt": "{shot}"}
            entry = {"provider_id": "http", "operation_id": "image_edit", "settings": settings}
            options: dict[str, Any] = {name: value for name, value in how.items() if name != "route"}
            if options.get("failure_answer") == "branded":
                options["branded"] = _BRANDED
            route = [entry, _FALLBACK] if "route" in how else [entry]
            document = {"name": slot_id, "active": True, "route": route, "prompt_fields": ["shot"], **options}
            etag = (await self._ask("GET", f"/api/slots/{slot_id}"))["etag"]
            await self._ask("PUT", f"/api/slots/{slot_id}", json=document, headers={"If-Match": etag})
            await self._ask("PUT", f"/api/slots/{slot_id}/webhook", json={"url": receiver})

    async def figures(self) -> dict[str, int]:
        """The number of jobs by outcome, of all slots."""
        found = await self._ask("GET", "/api/stats/global")
        return {name: value for name, value in found["summary"].items() if isinstance(value, int)}

    async def _ask(self, method: str, path: str, *, headers: dict[str, str] | None = None, json: Any = None) -> Any:
        """The JSON of an answer that succeeds; asked again while the service is away."""
        problem = ""

        async def ask() -> list[Any]:
            nonlocal problem
            try:
                async with httpx.AsyncClient(
                    base_url=self._form.address, verify=NO_TLS, timeout=_PATIENCE_SECONDS
                ) as client:
                    sent = {**self.headers, **(headers or {})}
                    answer = await client.request(method, path, json=json, headers=sent)
            except httpx.HTTPError as error:
                problem = repr(error)
                return []
            problem = answer.text
            assert not 400 <= answer.status_code < 429, f"{method} {path}: {problem}"
            return [answer.json()] if answer.is_success else []

        done = await until(ask, seconds=ENTRY_SECONDS)
        assert done, f"{method} {path}: {problem}"
        return done[0]
