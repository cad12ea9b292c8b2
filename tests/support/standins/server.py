"""What the stand-ins of services share: a small real HTTP server on a free loopback port, scripted call by call.

A stand-in says what a right request is (`check`) and what a good answer to it is (`answer`). A test says where the
service behaves otherwise: `script` takes behaviours, one of which each right call uses up; without one the answer is
good. A wrong request is refused whatever the script says, and uses up nothing.

Messages and behaviours are in modules of their own; tests find all of them here.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any, Self, TypeVar

from .behaviours import (
    Behaviour,
    Exchange,
    Held,
    answering,
    bad_json,
    drip,
    empty,
    flood,
    hang,
    html,
    limited,
    reset,
    reset_after_acceptance,
    reset_midway,
    taking,
    truncated,
)
from .messages import Answer, Received, json_answer, read_request

__all__ = [
    "Answer",
    "Behaviour",
    "Exchange",
    "Held",
    "Received",
    "StandInServer",
    "answering",
    "bad_json",
    "drip",
    "empty",
    "end_of_window",
    "flood",
    "hang",
    "html",
    "json_answer",
    "limited",
    "reset",
    "reset_after_acceptance",
    "reset_midway",
    "taking",
    "truncated",
]

_T = TypeVar("_T")

CREDENTIALS = frozenset({"authorization", "proxy-authorization", "api-key", "x-api-key", "x-goog-api-key", "x-key"})
"""The headers that carry keys."""


class StandInServer:
    """The server. `async with` it, or `running_in_thread()` where the test itself has no event loop.

    Attributes:
        url: where it listens, without a slash at the end.
        received: every request so far, right ones and wrong ones.
        refused: what `check` found wrong, as the bodies of the answers; empty after a test where all went right.
        hang_ups: how many clients left while a behaviour of this module made them wait.
        connections: how many connections were made so far.
    """

    def __init__(self) -> None:
        self.url = ""
        self.received: list[Received] = []
        self.refused: list[bytes] = []
        self.hang_ups = 0
        self.connections = 0
        self._scripts: dict[str, deque[Behaviour]] = defaultdict(deque)
        self._serving: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Condition()
        self._server: asyncio.Server | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    # What a stand-in says of its service.

    def call_of(self, request: Received) -> str:
        """The name of the call, for `script` and `calls`; a service with one sort of call needs no other."""
        return "call"

    def check(self, request: Received) -> Answer | None:
        """The service's refusal of a wrong request, None for a right one."""
        return None

    def answer(self, request: Received) -> Answer:
        """The good answer to a right request."""
        raise NotImplementedError

    # What a test does with it.

    def script(self, *behaviours: Behaviour | Answer, call: str = "call") -> None:
        """The next right calls of this name meet these, one each, in this order."""
        self._scripts[call] += [answering(each) if isinstance(each, Answer) else each for each in behaviours]

    def forget_scripts(self) -> None:
        """Every call meets a good day from now on."""
        self._scripts.clear()

    def calls(self, call: str = "call") -> list[Received]:
        """The requests of this name so far."""
        return [request for request in self.received if self.call_of(request) == call]

    async def until(self, true: Callable[[], bool]) -> None:
        """Return once this holds; looked at after each request, answer and hang-up."""
        async with self._changed:
            await self._changed.wait_for(true)

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *raised: object) -> None:
        assert self._server is not None
        self._server.close()
        for connection in self._serving:
            connection.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    @contextlib.contextmanager
    def running_in_thread(self) -> Iterator[Self]:
        """The server on an event loop of its own in another thread, until the block ends."""
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, name="stand-in", daemon=True)
        thread.start()
        self._loop = loop
        try:
            self.run(self.__aenter__())
            yield self
        finally:
            self.run(self.__aexit__())
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

    def run(self, work: Coroutine[Any, Any, _T], *, seconds: float = 180) -> _T:
        """From a test without an event loop: do this on the server's, such as `run(server.until(...))`."""
        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(seconds)

    def note_hang_up(self) -> None:
        """A client left while it was made to wait."""
        self.hang_ups += 1

    # The connections.

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while not writer.is_closing() and (request := await read_request(reader)) is not None:
                self.received.append(request)
                await self._notify()
                await self._handle(Exchange(self, request, reader, writer))
                await self._notify()
        except (ConnectionError, asyncio.IncompleteReadError):
            # The client left in the middle: tests of cancellation want just that.
            await self._notify()
        finally:
            writer.close()

    async def _handle(self, exchange: Exchange) -> None:
        refusal = _refusal_of_any_service(exchange.request) or self.check(exchange.request)
        if refusal is not None:
            self.refused.append(refusal.body)
            await exchange.send(refusal)
            return
        scripted = self._scripts[self.call_of(exchange.request)]
        if scripted:
            await scripted.popleft()(exchange)
        else:
            await exchange.send(exchange.good())

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()


def doubled_credentials(request: Received) -> bool:
    """Whether a request carries more than one key, in one header or in several."""
    return bool(request.repeated & CREDENTIALS) or len(CREDENTIALS & request.headers.keys()) > 1


def _refusal_of_any_service(request: Received) -> Answer | None:
    """What no service takes: a header that came twice, cookies that nobody has set."""
    if request.repeated & CREDENTIALS:
        return json_answer({"error": "There are two keys."}, status=401)
    if request.repeated:
        return json_answer({"error": f"Headers that are there twice: {sorted(request.repeated)}"}, status=400)
    if "cookie" in request.headers:
        return json_answer({"error": "There is a cookie that was never set."}, status=400)
    return None


_HANG_SECONDS = 180
"""Bounds a test that would wait for ever; no test depends on how soon something happens."""

_WINDOWS_SECONDS = (0.1, 0.4, 1.6, 6.4, 25.6)


async def end_of_window(
    server: StandInServer, behaviour: Behaviour, attempt: Callable[[float], Awaitable[_T]], *, call: str = "call"
) -> _T:
    """The result of an attempt whose window of so many seconds ends while the behaviour keeps the client waiting.

    The window grows until the attempt gets as far as that call, so that the result does not depend on the machine's
    speed. Returns once the server has noticed that the client hung up.
    """
    server.script(*[behaviour] * len(_WINDOWS_SECONDS), call=call)
    calls_before, hang_ups_before = len(server.calls(call)), server.hang_ups

    def all_hung_up() -> bool:  # of earlier attempts too, whose calls may come late
        return server.hang_ups - hang_ups_before == len(server.calls(call)) - calls_before

    for seconds in _WINDOWS_SECONDS:
        before = len(server.calls(call))
        result = await attempt(seconds)
        for _ in range(100):  # the server reads what was sent at the last moment
            await asyncio.sleep(0)
        if len(server.calls(call)) > before:
            async with asyncio.timeout(_HANG_SECONDS):
                await server.until(all_hung_up)
            return result
    raise AssertionError(f"{call} was not called within {_WINDOWS_SECONDS[-1]} s")
