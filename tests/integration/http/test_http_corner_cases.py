"""HTTP/1.1 as strange clients speak it, over bare connections, and what the server answers by itself."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from photochanger.entrypoints.http.middleware import RequestMiddleware
from photochanger.entrypoints.http.protocol.security_headers import security_headers
from photochanger.entrypoints.http.server import make_server
from photochanger.entrypoints.http.shutdown import Shutdown

from tests.support import photos
from tests.support.http_server import (
    END,
    FORM,
    PASSWORD,
    PICTURE,
    Gate,
    Service,
    form,
    head,
    part,
    running,
    serving,
    until,
)
from tests.support.raw_http import GET, LIVE, Answer, connected, limits

pytestmark = pytest.mark.anyio

POST = b"POST /ingest/slot-001 HTTP/1.1\r\nHost: a\r\n"

UPGRADES = {
    "h2c": {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAMAAABkAARAAAAA"},
    "websocket": {"Connection": "keep-alive, Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"},
    "two": {"Connection": "upgrade", "Upgrade": "foo/2, TLS/1.0"},
}


def is_refused(answer: Answer, status: int = 400, code: str = "invalid_request") -> None:
    assert answer.status == status
    assert answer.problem["code"] == code
    assert answer.headers["connection"] == "close"
    assert len(answer.headers["x-request-id"]) == 32
    assert answer.headers["cache-control"] == "no-store"
    for name, value in security_headers():
        assert answer.headers[name.decode()] == value.decode()


def chunked(body: bytes) -> bytes:
    return b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)


@pytest.mark.parametrize("offer", UPGRADES)
@pytest.mark.parametrize("cut", ["one packet", "head first", "byte by byte"])
async def test_an_offer_to_upgrade_is_ignored(service: Service, offer: str, cut: str) -> None:
    body = form(photos.jpeg(8, 8))
    request = head("slot-001", len(body), headers=UPGRADES[offer])
    async with connected(service.port) as camera:
        for _ in range(2):  # the connection goes on as HTTP/1.1
            if cut == "one packet":
                await camera.send(request + body)
            elif cut == "head first":
                await camera.send(request)
                await camera.send(body)
            else:
                for at in range(len(request + body)):
                    await camera.send((request + body)[at : at + 1])
            assert (await camera.answer()).body == PICTURE
        assert (await camera.ask(GET)).body == LIVE


async def test_an_upgrade_offer_with_a_chunked_body(service: Service) -> None:
    lines = ["POST /ingest/slot-001 HTTP/1.1", "Host: booth", f"Content-Type: {FORM}", "Transfer-Encoding: chunked"]
    lines += [f"{name}: {value}" for name, value in UPGRADES["h2c"].items()]
    async with connected(service.port) as camera:
        answer = await camera.ask("\r\n".join(lines).encode() + b"\r\n\r\n" + chunked(form()) + GET)
        assert answer.body == PICTURE
        assert (await camera.answer()).body == LIVE


async def test_an_upgrade_offer_without_a_body_is_answered_before_the_next_request(service: Service) -> None:
    offer = b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    async with connected(service.port) as client:
        await client.send(offer + GET + offer)
        assert [(await client.answer()).body for _ in range(3)] == [LIVE] * 3


async def test_a_client_that_shuts_down_its_sending_side_gets_its_picture(service: Service) -> None:
    gate = Gate()
    service.provider.script = gate
    body = form()
    async with connected(service.port) as camera:
        await camera.send(head("slot-001", len(body)) + body)
        camera.writer.write_eof()
        await gate.held(1)
        job = await service.only_job()

        async def noted() -> bool:
            return (await service.job(job.id)).abandoned_at is not None

        await until(noted)  # it may be gone; the same photo from another connection joins the job
        gate.opened.set()
        answer = await camera.answer()
        assert (answer.status, answer.body) == (200, PICTURE)
        assert await camera.closed() == b""
    assert service.provider.calls == 1


async def test_requests_before_the_half_close_are_all_answered(service: Service) -> None:
    async with connected(service.port) as client:
        await client.send(GET + GET + GET[:-10])
        client.writer.write_eof()
        assert [(await client.answer()).body for _ in range(2)] == [LIVE] * 2
        assert await client.closed() == b""


async def test_a_half_close_inside_a_body_is_a_disconnect(service: Service) -> None:
    body = form()
    async with connected(service.port) as camera:
        await camera.send(head("slot-001", len(body)) + body[:-20])
        camera.writer.write_eof()
        assert await camera.closed() == b""
    assert service.database.jobs == {}


async def test_what_is_not_http_after_a_photo_does_not_cost_the_picture(service: Service) -> None:
    body = form()
    async with connected(service.port) as camera:
        answer = await camera.ask(head("slot-001", len(body)) + body + b"\x00\x01 padding of the camera \r\n\r\n")
        assert answer.body == PICTURE
        assert await camera.closed() == b""


@pytest.mark.parametrize(
    "request_",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/1.1\r\nHost 127.0.0.1\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n",
        b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n folded: b\r\n\r\n",
        POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        POST + b"Content-Length: 5, 5\r\n\r\nhello",
        POST + b"Content-Length: +5\r\n\r\nhello",
        POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: gzip\r\n\r\nhello",
    ],
)
async def test_what_is_not_a_valid_request_is_refused_and_nothing_follows(service: Service, request_: bytes) -> None:
    async with connected(service.port) as client:
        await client.send(request_ + GET)
        is_refused(await client.answer())
        assert await client.closed() == b""


async def test_a_bad_chunk_ends_the_request(service: Service) -> None:
    start = f"POST /ingest/slot-001 HTTP/1.1\r\nHost: a\r\nContent-Type: {FORM}\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with connected(service.port) as client:
        password = part("password", PASSWORD)
        await client.send(start.encode() + b"%x\r\n%s\r\n" % (len(password), password))
        await client.send(b"xyz\r\n" + GET)
        is_refused(await client.answer())
        assert await client.closed() == b""
    assert service.database.jobs == {}


@pytest.mark.parametrize("packets", [1, 40])
async def test_an_endless_head_is_cut_off(service: Service, packets: int) -> None:
    filler = b"".join(b"X-Filler-%d: %s\r\n" % (number, b"x" * 8000) for number in range(20))
    data = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n" + filler + b"\r\n"
    size = -(-len(data) // packets)
    async with connected(service.port) as client:
        for at in range(0, len(data), size):
            client.writer.write(data[at : at + size])
        told = await client.closed()  # its last packets may have met a closed connection, and reset the answer
        assert told == b"" or told.startswith(b"HTTP/1.1 400 ")


async def test_a_large_head_in_one_packet_is_refused(service: Service) -> None:
    async with connected(service.port) as client:
        await client.send(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Filler: " + b"x" * 65_536 + b"\r\n\r\n")
        is_refused(await client.answer())


async def test_many_headers_are_refused(service: Service) -> None:
    def request(count: int) -> bytes:
        return GET[:-2] + b"".join(b"X-%d: 1\r\n" % number for number in range(count - 1)) + b"\r\n"

    async with connected(service.port) as client:
        assert (await client.ask(request(100))).status == 200
        is_refused(await client.ask(request(101)))


async def test_a_flood_of_pipelined_requests_is_answered_up_to_the_bound(tmp_path: Path) -> None:
    async with serving(tmp_path, limits=limits(pipelined=3)) as service, connected(service.port) as client:
        await client.send(GET * 1000)
        assert [(await client.answer()).body for _ in range(4)] == [LIVE] * 4
        assert await client.closed() == b""


@pytest.mark.parametrize(
    ("hosts", "ok"),
    [
        (b"Host: 127.0.0.1\r\n", True),
        (b"Host: booth:8000\r\n", True),
        (b"Host: [::1]:8000\r\n", True),
        (b"", False),
        (b"Host:\r\n", False),
        (b"Host: a\r\nHost: a\r\n", False),
        (b"Host: a, b\r\n", False),
        (b"Host: a b\r\n", False),
        (b"Host: user@booth\r\n", False),
        (b"Host: \xd0\xb1\r\n", False),
    ],
)
async def test_a_request_has_one_host(service: Service, hosts: bytes, ok: bool) -> None:
    async with connected(service.port) as client:
        answer = await client.ask(b"GET /api/me HTTP/1.1\r\n" + hosts + b"\r\n")
        assert answer.status == (401 if ok else 400)
        if not ok:
            assert "Host" in answer.problem["detail"]


async def test_http_1_0_needs_no_host_and_is_closed(service: Service) -> None:
    async with connected(service.port) as client:
        assert (await client.ask(b"GET /healthz HTTP/1.0\r\n\r\n")).body == LIVE
        assert await client.closed() == b""


async def test_only_allowed_hosts_are_answered(tmp_path: Path) -> None:
    settings = {"allowed_hosts": ("booth.example", "*.studio.example"), "public_base_url": "https://photos.example/p"}
    async with serving(tmp_path, **settings) as service:

        async def status(host: str, path: str = "/api/me") -> tuple[int, str]:
            answer = await service.client.get(path, headers={"Host": host})
            return answer.status_code, answer.json().get("detail", "")

        for host in (
            "booth.example",
            "BOOTH.example.:8000",
            "a.studio.example",
            "photos.example",
            "localhost:1",
            "127.1.2.3",
        ):
            assert (await status(host))[0] == 401, host
        for host in ("evil.example", "studio.example", "booth.example.evil.example", "192.168.1.10"):
            told, detail = await status(host)
            assert told == 400, host
            assert host in detail
            assert "PHOTOCHANGER_ALLOWED_HOSTS" in detail
        assert (await status("10.1.2.3:8000", "/healthz"))[0] == 200  # a probe of an orchestrator
        assert (await status("10.1.2.3:8000", "/readyz"))[0] == 200


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "identity, br", "x"])
@pytest.mark.parametrize("path", ["/ingest/slot-001", "/api/login", "/api/media/register"])
async def test_a_compressed_body_is_refused_on_every_route(service: Service, path: str, encoding: str) -> None:
    body = form()
    headers = {"Content-Type": FORM, "Content-Encoding": encoding}
    answer = await service.client.post(path, content=body, headers=headers)
    assert answer.status_code == 415
    assert answer.json()["code"] == "unsupported_media_type"
    assert "Content-Encoding" in answer.json()["detail"]


async def test_identity_is_no_encoding_and_a_request_without_a_body_has_none(service: Service) -> None:
    assert (await service.ingest(headers={"Content-Encoding": "identity"})).status_code == 200
    assert (await service.client.get("/healthz", headers={"Content-Encoding": "gzip"})).status_code == 200


async def test_a_refused_upload_is_dropped_to_its_end(service: Service) -> None:
    """With a length and in chunks; the client reads its answer only after it has sent everything."""
    body = part("password", "wrong") + part("fileToUpload", bytes(8 * 1024 * 1024), filename="a.jpg") + END
    of_chunks = head("slot-001", 0).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    for request in (head("slot-001", len(body)) + body, of_chunks + chunked(body)):
        async with connected(service.port) as camera:
            answer = await camera.ask(request)
            assert answer.status == 401
            assert answer.problem["code"] == "invalid_password"
            assert await camera.closed() == b""


async def test_an_app_that_fails_is_answered_with_a_problem() -> None:
    async def broken(scope: object, receive: object, send: object) -> None:
        raise RuntimeError("the secret inside")

    async def silent(scope: object, receive: object, send: object) -> None:
        """Answer nothing."""

    for app in (broken, silent):
        async with running(RequestMiddleware(app, drain_bytes=1024)) as port, connected(port) as client:
            answer = await client.ask(GET)
            assert answer.status == 500
            assert answer.problem["code"] == "internal_error"
            assert b"secret" not in answer.body
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert "x-request-id" in answer.headers


async def test_requests_that_are_cut_by_the_end_of_the_server_are_answered(tmp_path: Path) -> None:
    begun = asyncio.Event()

    async def endless(scope: object, receive: object, send: object) -> None:
        begun.set()
        await asyncio.Event().wait()

    server = make_server(RequestMiddleware(endless, drain_bytes=1024))
    server.stop_grace = timedelta(0)
    listening = server.config.bind_socket()
    listening.listen()
    serves = asyncio.create_task(server.serve(sockets=[listening]))
    async with connected(listening.getsockname()[1]) as client:
        await client.send(GET)
        await begun.wait()
        server.should_exit = True
        answer = await client.answer()
        assert answer.status == 503
        assert answer.problem["code"] == "shutting_down"
        assert answer.problem["retry_after"] == 5
        assert answer.headers["connection"] == "close"
    await serves


async def test_requests_that_arrive_while_the_server_stops_are_refused_with_a_problem() -> None:
    begun, ends = asyncio.Event(), asyncio.Event()

    async def held(scope: object, receive: object, send: Any) -> None:
        begun.set()
        await ends.wait()
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    shutdown = Shutdown()
    app = RequestMiddleware(held, drain_bytes=1024, shutdown=shutdown)
    server = make_server(app, shutdown=shutdown, linger=timedelta(hours=1))
    listening = server.config.bind_socket()
    port = listening.getsockname()[1]
    listening.listen()
    serves = asyncio.create_task(server.serve(sockets=[listening]))
    async with connected(port) as idle, connected(port) as slow, connected(port) as busy:
        await slow.send(GET[:10])
        await idle.send(GET)
        await begun.wait()
        ends.set()
        assert (await idle.answer()).status == 204  # and the connection is kept alive
        begun.clear()
        ends.clear()
        await busy.send(GET)
        await begun.wait()
        server.should_exit = True
        async with asyncio.timeout(120):
            while not shutdown.begun:  # noqa: ASYNC110 - the server signals no change
                await asyncio.sleep(0)
        for client, rest in ((idle, GET), (slow, GET[10:])):
            answer = await client.ask(rest)
            assert answer.status == 503
            assert (answer.problem["code"], answer.headers["retry-after"]) == ("shutting_down", "5")
            assert answer.headers["connection"] == "close"
        ends.set()
        last = await busy.answer()
        assert (last.status, last.headers["connection"]) == (204, "close")
        shutdown.give_up()
    await serves


@pytest.mark.parametrize(("path", "listed"), [("/public/results/x", False), ("/gallery/slot-001", False), ("/", True)])
async def test_guests_pictures_are_kept_out_of_search_engines(service: Service, path: str, listed: bool) -> None:
    answer = await service.client.get(path)
    assert answer.headers.get("x-robots-tag") == (None if listed else "noindex, nofollow")


async def test_pages_have_their_windows_for_themselves(service: Service) -> None:
    assert (await service.client.get("/")).headers["cross-origin-opener-policy"] == "same-origin"
    assert (await service.client.get("/docs")).headers["cross-origin-opener-policy"] == "same-origin"
    assert "cross-origin-opener-policy" not in (await service.client.get("/healthz")).headers


async def test_behind_a_trusted_proxy_client_and_scheme_are_those_that_it_forwards(tmp_path: Path) -> None:
    async with serving(tmp_path, trusted_proxies=("127.0.0.1/32",), public_base_url=None) as service:
        forwarded = {"X-Forwarded-For": "6.6.6.6, 203.0.113.9", "X-Forwarded-Proto": "https", "Host": "booth.example"}
        answer = await service.ingest(headers=forwarded)
        assert answer.headers["strict-transport-security"] == "max-age=31536000"
        assert answer.headers["link"].startswith("<https://booth.example/public/results/")


async def test_nothing_else_may_forward(service: Service) -> None:
    forwarded = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https", "Forwarded": "proto=https"}
    answer = await service.ingest(headers=forwarded)
    assert "strict-transport-security" not in answer.headers
    assert answer.headers["link"].startswith(f"<http://127.0.0.1:{service.port}/")
