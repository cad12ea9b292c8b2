"""Clients that stop, hang up, do not read, or ask first: over bare connections, as camera software does it."""

from __future__ import annotations

import asyncio
import socket
import struct

import pytest
from photochanger.core.domain.media import MediaKind
from photochanger.entrypoints.http.protocol import body as bodies

from tests.support import photos
from tests.support.http_server import END, PICTURE, Gate, Service, form, head, part, until

pytestmark = pytest.mark.anyio


async def answer_of(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    """One answer: status, headers by lower-case name, body."""
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return int(lines[0].split()[1]), headers, body


async def no_payloads(service: Service) -> bool:
    return await service.files(MediaKind.PAYLOADS) == []


async def test_a_client_that_stops_half_way_leaves_nothing(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    body = form(photos.jpeg(1600, 1200))
    _, writer = await service.connect()
    writer.write(head("slot-001", len(body)) + body[: len(body) // 2])
    await writer.drain()
    writer.transport.abort()
    await until(lambda: no_payloads(service))
    assert (await service.ingest()).status_code == 200
    assert service.provider.calls == 1
    assert "Traceback" not in caplog.text
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_a_client_that_sends_nothing_more_is_told_so(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "_IDLE_SECONDS", 0.2)
    monkeypatch.setattr("photochanger.entrypoints.http.middleware._DRAIN_SECONDS", 0.2)
    body = form(photos.jpeg(1600, 1200))
    reader, writer = await service.connect()
    writer.write(head("slot-001", len(body)) + body[: len(body) // 2])
    status, headers, told = await answer_of(reader)
    assert status == 408
    assert b"upload_interrupted" in told
    assert headers["connection"] == "close"
    assert await reader.read() == b""
    assert await service.files(MediaKind.PAYLOADS) == []
    writer.close()


async def test_a_client_that_hangs_up_while_it_waits_joins_its_job_when_it_sends_the_photo_again(
    service: Service,
) -> None:
    gate = Gate()
    service.provider.script = gate
    body = form(photos.jpeg(200, 150))
    _, writer = await service.connect()
    writer.write(head("slot-001", len(body)) + body)
    await gate.held(1)
    job_id = (await service.only_job()).id
    writer.close()

    async def abandoned() -> bool:
        return (await service.job(job_id)).abandoned_at is not None

    await until(abandoned)
    again = asyncio.create_task(service.post_form("slot-001", body))

    async def joined() -> bool:
        return (await service.job(job_id)).abandoned_at is None

    await until(joined)
    gate.opened.set()
    answer = await again
    assert answer.status_code == 200
    assert answer.headers["x-job-id"] == str(job_id)
    assert service.provider.calls == 1


async def test_the_picture_of_a_client_that_hung_up_stays_downloadable(service: Service) -> None:
    gate = Gate()
    service.provider.script = gate
    body = form()
    _, writer = await service.connect()
    writer.write(head("slot-001", len(body)) + body)
    await gate.held(1)
    job_id = (await service.only_job()).id
    writer.transport.abort()

    async def abandoned() -> bool:
        return (await service.job(job_id)).abandoned_at is not None

    await until(abandoned)
    gate.opened.set()
    await service.opened.jobs.wait(job_id)
    assert (await service.client.get(f"/public/results/{job_id}")).content == PICTURE


async def test_a_wrong_password_before_the_file_is_answered_without_the_file(service: Service) -> None:
    body = part("password", "wrong") + part("fileToUpload", photos.jpeg(32, 24), filename="a.jpg")
    reader, writer = await service.connect()
    writer.write(head("slot-001", 50_000_000) + body)
    status, headers, told = await answer_of(reader)
    assert status == 401
    assert headers["connection"] == "close"
    assert b"invalid_password" in told
    writer.close()


async def test_a_client_that_sends_everything_before_it_reads_sees_the_early_answer(service: Service) -> None:
    photo = bytes(8 * 1024 * 1024)
    body = part("password", "wrong") + part("fileToUpload", photo, filename="a.jpg") + END
    reader, writer = await service.connect()
    writer.write(head("slot-001", len(body)))
    for start in range(0, len(body), 65536):
        writer.write(body[start : start + 65536])
        await writer.drain()
    status, _, told = await answer_of(reader)
    assert status == 401
    assert b"invalid_password" in told
    assert await reader.read() == b""
    writer.close()


async def test_a_client_that_asks_first_is_told_to_go_on(service: Service) -> None:
    body = form()
    reader, writer = await service.connect()
    writer.write(head("slot-001", len(body), headers={"Expect": "100-continue"}))
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(body)
    status, _, picture = await answer_of(reader)
    assert (status, picture) == (200, PICTURE)
    writer.close()


async def test_a_client_that_asks_first_is_spared_sending_what_would_be_refused(service: Service) -> None:
    reader, writer = await service.connect()
    writer.write(head("slot-016", 5_000_000, headers={"Expect": "100-continue"}))
    status, headers, told = await answer_of(reader)
    assert status == 404
    assert b"slot_not_found" in told
    assert headers["connection"] == "close"
    assert await reader.read() == b""
    writer.close()


async def test_a_form_that_arrives_byte_by_byte_is_the_same_form(service: Service) -> None:
    body = form(photos.jpeg(32, 24), guest="Ada")
    reader, writer = await service.connect()
    sock: socket.socket = writer.get_extra_info("socket")
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    writer.write(head("slot-001", len(body)))
    for at in range(len(body)):
        writer.write(body[at : at + 1])
        await writer.drain()
    status, headers, picture = await answer_of(reader)
    assert (status, picture) == (200, PICTURE)
    assert (await service.job(headers["x-job-id"])).metadata == {"guest": "Ada"}
    writer.close()


async def test_a_chunked_form_with_something_after_its_end_leaves_the_connection_usable(service: Service) -> None:
    body = form() + b"\r\nan epilogue that RFC 2046 allows"
    reader, writer = await service.connect()
    request = head("slot-001", len(body)) + body
    for _ in range(2):
        writer.write(request)
        status, headers, picture = await answer_of(reader)
        assert (status, picture) == (200, PICTURE)
        assert headers.get("connection") != "close"
    writer.close()


async def test_a_client_that_resets_while_its_picture_is_sent_harms_nobody(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    service.provider.script = Gate(photos.noise(1200, 1200))
    service.provider.script.opened.set()
    body = form()
    reader, writer = await service.connect()
    writer.write(head("slot-001", len(body)) + body)
    await reader.readuntil(b"\r\n\r\n")
    sock: socket.socket = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
    assert (await service.ingest("slot-002")).status_code == 200
    assert "Traceback" not in caplog.text
