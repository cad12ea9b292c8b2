"""`photochanger healthcheck`: whom it asks, and what counts as healthy."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from photochanger.core.domain.errors import ConfigurationError
from photochanger.entrypoints.cli.healthcheck import Unhealthy, check, own_url
from photochanger.entrypoints.config import Settings

from tests.support.ports import kept_port


@contextlib.contextmanager
def answering(status: int) -> Iterator[str]:
    """The URL of a server that answers everything with this status."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/healthz"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("0.0.0.0", "http://127.0.0.1:8000/healthz"),
        ("::", "http://[::1]:8000/healthz"),
        ("::1", "http://[::1]:8000/healthz"),
        ("192.0.2.7", "http://192.0.2.7:8000/healthz"),
    ],
)
def test_the_service_is_asked_where_it_listens(host: str, url: str) -> None:
    assert own_url(Settings(host=host)) == url


def test_a_port_that_the_system_chose_cannot_be_asked() -> None:
    with pytest.raises(ConfigurationError, match="PHOTOCHANGER_PORT"):
        own_url(Settings(port=0))


def test_an_answer_is_healthy_whatever_proxy_the_environment_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with answering(200) as url:
        check(url)


def test_another_answer_or_none_is_not_healthy() -> None:
    with answering(503) as url, pytest.raises(Unhealthy, match="503"):
        check(url)
    with kept_port() as nobody, pytest.raises(Unhealthy, match="does not answer"):
        check(f"http://127.0.0.1:{nobody}/healthz")
