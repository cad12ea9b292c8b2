"""A proxy in front of several services that tries the next one, as a load balancer of a studio does.

It tries again where nothing of the request can have been worked on: the connection is refused; and where that does no
harm: the service says `shutting_down`, or breaks off, and the request has an `Idempotency-Key`.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any

from tests.support.service import HANG_SECONDS

_PAUSE_SECONDS = 0.05


class RetryingProxy:
    """The proxy. `ports` are those of the services, `retries` counts by what each further try was caused.

    `open` counts the requests that a port has now, from before they are sent.
    """

    def __init__(self, ports: list[int]) -> None:
        self.ports = ports
        self.retries = dict.fromkeys(("refused", "shutting_down", "broken"), 0)
        self.open: Counter[int] = Counter()
        self.url = ""
        self._turns = count()
        self._choosing = threading.Lock()

    def send_to(self, ports: list[int]) -> None:
        """Send further requests to these ports, and only those that `open` counts to others."""
        with self._choosing:
            self.ports = ports

    def busy(self) -> set[int]:
        """The ports that have a request now."""
        with self._choosing:
            return {port for port, requests in self.open.items() if requests}

    @contextlib.contextmanager
    def _chosen(self, number: int) -> Iterator[int]:
        """The port whose turn it is."""
        with self._choosing:
            port = self.ports[number % len(self.ports)]
            self.open[port] += 1
        try:
            yield port
        finally:
            with self._choosing:
                self.open[port] -= 1

    @contextlib.contextmanager
    def running(self) -> Iterator[RetryingProxy]:
        """The proxy in threads of this process, on a free port."""
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, headers, answer = proxy.forward(self.path, dict(self.headers), body)
                self.send_response(status)
                for name in ("Content-Type", "X-Job-Id"):
                    if name in headers:
                        self.send_header(name, headers[name])
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *arguments: Any) -> None: ...

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, name="retrying proxy")
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    def forward(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, Any, bytes]:
        """The answer of the first service that takes the request."""
        end = time.monotonic() + HANG_SECONDS
        turn = next(self._turns)
        turn += turn * (turn - 1) // 2  # 0, 1, 3, 6: in strict turns one host's photos would all go to the same worker
        for tried in count(1):
            cause = "broken"
            with self._chosen(turn + tried) as port:
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=HANG_SECONDS)
                try:
                    connection.request("POST", path, body, headers)
                    response = connection.getresponse()
                    answer = response.read()
                    if not _is_shutting_down(response.status, answer):
                        return response.status, response.headers, answer
                    cause = "shutting_down"
                except ConnectionRefusedError:
                    cause = "refused"
                except (OSError, http.client.HTTPException):
                    if "Idempotency-Key" not in headers:
                        raise
                finally:
                    connection.close()
            self.retries[cause] += 1
            assert time.monotonic() < end, f"no service takes the request: {self.retries}"
            if tried % len(self.ports) == 0:
                time.sleep(_PAUSE_SECONDS)
        raise AssertionError("unreachable")


def _is_shutting_down(status: int, answer: bytes) -> bool:
    return status == 503 and json.loads(answer)["code"] == "shutting_down"
