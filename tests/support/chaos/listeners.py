"""Who follows the jobs from outside: a receiver of webhooks that stumbles at times, and a page that reads events."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from random import Random

import httpx

from tests.support.chaos.pace import pause
from tests.support.plain_http import NO_TLS
from tests.support.standins.server import Answer, Received, StandInServer

_STUMBLES = 0.1
_AGAIN_SECONDS = 0.2
_SILENCE_SECONDS = 40.0


class WebhookReceiver(StandInServer):
    """Takes calls, and refuses one in ten.

    Attributes:
        taken: jobs by number of the calls that were taken.
    """

    def __init__(self, *, seed: str) -> None:
        super().__init__()
        self.taken: Counter[str] = Counter()
        self._dice = Random(f"webhooks {seed}")

    def check(self, request: Received) -> Answer | None:
        return None if request.method == "POST" else Answer(405)

    def answer(self, request: Received) -> Answer:
        self.received.clear()
        if self._dice.random() < _STUMBLES:
            return Answer(503)
        self.taken[str(request.json()["data"]["job_id"])] += 1
        return Answer(204)


class EventReader:
    """Reads the events of all jobs, and comes back with the last one's id wherever the stream ends.

    Attributes:
        ended: jobs whose end was announced.
        after_end: attempts that were announced after the end of their job, by job. What comes again after the stream
            ended, because it may have been lost, does not count.
    """

    def __init__(self, address: str, headers: Mapping[str, str]) -> None:
        self.ended: Counter[str] = Counter()
        self.after_end: Counter[str] = Counter()
        self._seen: set[int] = set()
        self.streams = 0
        self._address = address
        self._headers = headers
        self._last = ""

    async def read(self) -> None:
        """Read until cancelled."""
        while True:
            try:
                await self._read_stream()
            except httpx.HTTPError:
                await pause(_AGAIN_SECONDS)

    async def _read_stream(self) -> None:
        headers = {**self._headers, **({"Last-Event-ID": self._last} if self._last else {})}
        async with (
            httpx.AsyncClient(base_url=self._address, verify=NO_TLS, timeout=_SILENCE_SECONDS) as client,
            client.stream("GET", "/api/events", headers=headers) as answer,
        ):
            if answer.status_code != 200:
                await pause(_AGAIN_SECONDS)
                return
            self.streams += 1
            fields: dict[str, str] = {}
            async for line in answer.aiter_lines():
                if line:
                    name, _, value = line.partition(":")
                    fields[name] = value.strip()
                    continue
                self._note(fields)
                fields = {}

    def _note(self, fields: Mapping[str, str]) -> None:
        self._last = fields.get("id") or self._last
        if fields.get("event") != "job":
            return
        data = json.loads(fields["data"])
        if data["event_id"] in self._seen:
            return
        self._seen.add(data["event_id"])
        if data["event"] == "finalized":
            self.ended[data["job_id"]] += 1
        elif data["event"] == "attempt" and data["job_id"] in self.ended:
            self.after_end[data["job_id"]] += 1
