"""The shutdown of the HTTP service as its requests see it."""

from __future__ import annotations

import asyncio

SHUTTING_DOWN = "The service is shutting down. Send the photo again; a job that has begun is not made twice."

RETRY_AFTER_SECONDS = 5
"""When a client should try again: a restart takes a few seconds, another host is there at once."""


class Shutdown:
    """From its beginning no request is taken; requests that wait are given up at its end."""

    def __init__(self) -> None:
        self._given_up = asyncio.Event()
        self._begun = False

    @property
    def begun(self) -> bool:
        """Whether requests that arrive now are refused."""
        return self._begun

    def begin(self) -> None:
        """Take no more requests."""
        self._begun = True

    def give_up(self) -> None:
        """Have the requests that still wait answered with 503."""
        self._begun = True
        self._given_up.set()

    async def given_up(self) -> None:
        """Return when waiting requests are to be answered."""
        await self._given_up.wait()
