"""Real services that stop while guests wait: everyone is answered, the job of an unanswered guest goes on."""

from __future__ import annotations

import re
import signal
import socket
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from photochanger.core.domain.slots.slot import Route, RouteEntry

from tests.support import photos
from tests.support.plain_http import NO_TLS
from tests.support.ports import kept_port
from tests.support.retrying_proxy import RetryingProxy
from tests.support.service import (
    HANG_SECONDS,
    PASSWORD,
    Service,
    eventually,
    has_ended,
    job_states,
    rows,
    serving,
    set_slot,
    working,
)
from tests.support.standins.server import Held
from tests.support.standins.studio import StudioStandIn

PHOTO = photos.jpeg(320, 240)
LARGE = photos.jpeg(1600, 1200, quality=97, grain=20.0)
"""A photo whose first half is stored before its second half comes."""

SLOT = "slot-005"
JOBS = "select count(*), count(*) filter (where state = 'succeeded') from photochanger.jobs"
LOCAL = {"private_hosts": "127.0.0.1"}


@pytest.fixture
def studio() -> Iterator[StudioStandIn]:
    """An image service whose calls a test can hold."""
    with StudioStandIn().running_in_thread() as running:
        yield running


def use_studio(url: str, studio: StudioStandIn) -> None:
    set_slot(url, SLOT, Route(entries=(RouteEntry("http", "image_edit", {"url": f"{studio.url}/render"}),)))


def port_of(service: Service) -> int:
    return int(service.address.rsplit(":", 1)[1])


def is_refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), HANG_SECONDS).close()
    except ConnectionRefusedError:
        return True
    return False


def is_ready(service: Service) -> bool:
    with service.client() as client:
        return client.get("/readyz").status_code == 200


def with_comment(text: str) -> bytes:
    """A photo that differs from all others: with a comment segment after its start."""
    return PHOTO[:2] + b"\xff\xfe" + (len(text) + 2).to_bytes(2, "big") + text.encode() + PHOTO[2:]


class HalfUpload:
    """A camera that has sent half of its photo."""

    def __init__(self, service: Service, photo: bytes) -> None:
        form = httpx.Request(
            "POST",
            f"{service.address}/ingest/{SLOT}",
            data={"password": PASSWORD},
            files={"fileToUpload": photo},
        )
        body = form.read()
        head = f"POST {form.url.path} HTTP/1.1\r\n" + "".join(
            f"{name}: {value}\r\n" for name, value in form.headers.items()
        )
        middle = len(body) // 2
        self._rest = body[middle:]
        self._socket = socket.create_connection(("127.0.0.1", port_of(service)), HANG_SECONDS)
        self._socket.sendall(head.encode() + b"\r\n" + body[:middle])

    def finish(self) -> bytes:
        """Send the rest; the whole answer."""
        self._socket.sendall(self._rest)
        answer = b""
        with self._socket:
            while chunk := self._socket.recv(65536):
                answer += chunk
        return answer


def test_a_stop_finishes_what_runs_and_a_second_signal_answers_the_rest(
    tmp_path: Path, postgres_url: str, studio: StudioStandIn
) -> None:
    first, second = Held(), Held()
    studio.script(first, second)
    settings = {"database_url": postgres_url, **LOCAL}
    photo = [with_comment(f"photo {number}") for number in range(3)]
    with ThreadPoolExecutor(4) as cameras:
        with serving(tmp_path, "--workers", "2", **settings) as service:
            use_studio(postgres_url, studio)
            eventually(lambda: is_ready(service))
            (worker,) = service.workers()
            running = []
            for number in (0, 1):
                running.append(cameras.submit(service.send, photo[number], SLOT))
                eventually(lambda made=number + 1: len(studio.calls()) == made)
            pending = cameras.submit(service.send, photo[2], SLOT)
            eventually(lambda: len(rows(postgres_url, "select 1 from photochanger.jobs")) == 3)
            upload = HalfUpload(service, LARGE)
            eventually(lambda: [*(tmp_path / "media/.partial").iterdir()])  # the service has its first half

            worker.send_signal(signal.SIGTERM)  # as a service manager that signals all processes
            service.process.send_signal(signal.SIGTERM)
            eventually(lambda: is_refused(port_of(service)))
            first.release()
            assert running[0].result().status_code == 200
            assert pending.result().status_code == 200  # acquired after the signal
            assert upload.finish().startswith(b"HTTP/1.1 200 ")
            assert service.process.poll() is None
            assert "requests are open" in service.log.read_text()

            service.process.send_signal(signal.SIGINT)
            unanswered = running[1].result()
            assert service.process.wait(HANG_SECONDS) == 0
            assert has_ended(worker)
        check_unanswered(unanswered)
        second.release()
        with serving(tmp_path, "--workers", "2", **settings) as service:
            again = service.send(photo[1], SLOT)
            assert again.status_code == 200
            assert again.headers["X-Job-Id"] == unanswered.headers["X-Job-Id"]
            assert service.stop() == 0
    assert rows(postgres_url, JOBS) == [(4, 4)]


def check_unanswered(answer: httpx.Response) -> None:
    """The problem of a guest whose picture was not there at the end."""
    assert answer.status_code == 503
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Retry-After"] == "5"
    assert answer.headers["Connection"] == "close"
    body = answer.json()
    assert (body["code"], body["status"], body["retry_after"]) == ("shutting_down", 503, 5)
    assert body["job_id"] == answer.headers["X-Job-Id"]
    assert body["expires_at"]
    links = re.findall(r"<([^>]*)>; rel=\"(\w+)\"", answer.headers["Link"])
    assert [relation for _, relation in links] == ["status", "alternate"]
    assert all(body["job_id"] in link for link, _ in links)


def test_a_rolling_restart_behind_a_retrying_proxy_loses_no_photo(
    tmp_path: Path, postgres_url: str, studio: StudioStandIn
) -> None:
    settings = {"database_url": postgres_url, **LOCAL}
    stopping = threading.Event()
    answers: list[tuple[str, int, str]] = []

    def send_photos(proxy: RetryingProxy, camera: int) -> None:
        with httpx.Client(verify=NO_TLS, timeout=HANG_SECONDS) as client:
            while not stopping.is_set():
                key = uuid.uuid4().hex
                answer = client.post(
                    f"{proxy.url}/ingest/{SLOT}",
                    data={"password": PASSWORD},
                    files={"fileToUpload": with_comment(key)},
                    headers={"Idempotency-Key": key},
                )
                answers.append((key, answer.status_code, answer.headers.get("X-Job-Id", answer.text)))

    def more_answers(number: int) -> None:
        enough = len(answers) + number
        eventually(lambda: len(answers) >= enough)

    with ExitStack() as stack, ThreadPoolExecutor(4) as cameras:
        ports = [stack.enter_context(kept_port()) for _ in range(2)]
        services = [stack.enter_context(serving(tmp_path / "home", "--port", str(port), **settings)) for port in ports]
        use_studio(postgres_url, studio)
        proxy = stack.enter_context(RetryingProxy(ports).running())
        sending = [cameras.submit(send_photos, proxy, number) for number in range(3)]
        try:
            for number, hurried in ((0, False), (1, True)):
                more_answers(5)
                held = Held()
                if hurried:
                    studio.script(held)
                    eventually(lambda held=held: held.has_begun)
                services[number].process.send_signal(signal.SIGTERM)
                eventually(lambda port=ports[number]: is_refused(port))
                refused = proxy.retries["refused"]
                if hurried:
                    services[number].process.send_signal(signal.SIGTERM)
                assert services[number].process.wait(HANG_SECONDS) == 0
                held.release()
                eventually(lambda refused=refused: proxy.retries["refused"] > refused)
                restarted = serving(tmp_path / "home", "--port", str(ports[number]), **settings)
                services[number] = stack.enter_context(restarted)
            more_answers(5)
        finally:
            stopping.set()
        for each in sending:
            each.result()
        assert [answer for answer in answers if answer[1] != 200] == []
        assert rows(postgres_url, JOBS) == [(len(answers), len(answers))]


def test_a_worker_alone_ends_overdue_jobs(tmp_path: Path, postgres_url: str) -> None:
    with serving(tmp_path, "--workers", "0", database_url=postgres_url) as service:
        assert service.send(PHOTO, Prefer="respond-async").status_code == 202
        service.kill()
    rows_changed = "update photochanger.jobs set expires_at = now() returning id"
    assert len(rows(postgres_url, rows_changed)) == 1
    with working(tmp_path, database_url=postgres_url):
        eventually(lambda: job_states(postgres_url) == ["timed_out"])
