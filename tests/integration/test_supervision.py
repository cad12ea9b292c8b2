"""Real processes that hang, are stopped, are killed: each is replaced or ends in bounded time, and the port is free.

The graces of a stop are those of production: none of these tests waits for one to run out, unless it says so.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest
from photochanger.adapters.postgres import EmbeddedServer
from photochanger.core.domain.slots.slot import Route, RouteEntry

from tests.support import photos, stuck_provider
from tests.support.plain_http import NO_TLS
from tests.support.ports import kept_port
from tests.support.service import (
    HANG_SECONDS,
    PASSWORD,
    Service,
    command,
    environment,
    eventually,
    rows,
    serving,
    set_slot,
    working,
)
from tests.support.standins.server import Held
from tests.support.standins.studio import StudioStandIn

PHOTO = photos.jpeg(320, 240)
SLOT = "slot-005"
HANG_LIMIT = "5"
"""Seconds; short enough to wait for, long enough for a machine that is busy with other tests."""


@pytest.fixture
def studio() -> Iterator[StudioStandIn]:
    """An image service whose calls a test can hold."""
    with StudioStandIn().running_in_thread() as running:
        yield running


def use_studio(url: str, studio: StudioStandIn) -> None:
    set_slot(url, SLOT, Route(entries=(RouteEntry("http", "image_edit", {"url": f"{studio.url}/render"}),)))


def ready(service: Service) -> bool:
    with service.client() as client:
        return client.get("/readyz").status_code == 200


def port_of(service: Service) -> int:
    return int(service.address.rsplit(":", 1)[1])


def is_refused(port: int) -> bool:
    with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), HANG_SECONDS):
        return False
    return True


def replaced(service: Service, cause: str) -> bool:
    """Whether the metrics say that a worker was replaced for this cause."""
    text = httpx.get(service.metrics, verify=NO_TLS, timeout=180).text
    return f'photochanger_workers_replaced_total{{cause="{cause}"}}' in text


def replace_worker(service: Service) -> psutil.Process:
    """Kill the worker; the next one, which the service starts while it listens."""
    (first,) = eventually(service.workers)
    first.kill()
    return eventually(lambda: ready(service) and next((one for one in service.workers() if one != first), None))


def name_of(process: psutil.Process) -> str:
    """The name of its program; none where it has ended."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.name()
    return ""


def open_files(process: psutil.Process) -> set[str]:
    """What a process has open, as the kernel names it."""
    found = set()
    with contextlib.suppress(FileNotFoundError):  # it has ended
        for name in os.listdir(f"/proc/{process.pid}/fd"):
            with contextlib.suppress(FileNotFoundError):
                found.add(os.readlink(f"/proc/{process.pid}/fd/{name}"))
    return found


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="open files of other processes are not visible here")
def test_no_child_inherits_a_socket_or_a_lock_of_the_service(tmp_path: Path) -> None:
    with serving(tmp_path) as service:
        worker = replace_worker(service)  # the first one was started before the service listened
        ours = {name for name in open_files(psutil.Process(service.process.pid)) if name.startswith("socket:")}
        children = psutil.Process(service.process.pid).children(recursive=True)
        postgres = [child for child in children if name_of(child) == "postgres"]
        assert ours
        assert worker in children
        assert postgres
        # A process has the files of its parent until it runs its own program.
        eventually(lambda: not [child for child in children if open_files(child) & ours])
        for child in postgres:
            assert not [name for name in open_files(child) if name.endswith(".lock")]
        inheritable = []
        for name in os.listdir(f"/proc/{worker.pid}/fdinfo"):
            with contextlib.suppress(FileNotFoundError):  # it was closed meanwhile
                facts = Path(f"/proc/{worker.pid}/fdinfo/{name}").read_text()
                flags = next(line for line in facts.splitlines() if line.startswith("flags:")).split()[1]
                if not int(flags, 8) & os.O_CLOEXEC:
                    inheritable.append(int(name))
        assert sorted(inheritable) == [0, 1, 2]
        assert service.stop() == 0


def test_a_killed_service_starts_again_on_its_port_while_its_worker_still_runs(
    tmp_path: Path, postgres_url: str, studio: StudioStandIn
) -> None:
    held = Held()
    studio.script(*[held] * 4)
    settings = {"database_url": postgres_url, "private_hosts": "127.0.0.1"}
    with kept_port() as port, serving(tmp_path, "--port", str(port), **settings) as service:
        use_studio(postgres_url, studio)
        worker = replace_worker(service)
        assert service.send(PHOTO, SLOT, Prefer="respond-async").status_code == 202
        eventually(studio.calls)
        service.process.kill()
        service.process.wait(HANG_SECONDS)
        with serving(tmp_path, "--port", str(port), **settings) as again:
            assert port_of(again) == port
            assert worker.is_running()
            held.release()
            assert ready(again) or eventually(lambda: ready(again))
            psutil.wait_procs([worker], timeout=HANG_SECONDS)
            assert not worker.is_running()
            assert again.stop() == 0


def test_a_port_in_use_stops_the_start_with_one_line(tmp_path: Path, postgres_url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            command("serve", "--port", str(port)),
            env=environment(tmp_path, database_url=postgres_url),
            capture_output=True,
            text=True,
            timeout=HANG_SECONDS,
        )
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert f"PHOTOCHANGER_PORT: cannot be used: 127.0.0.1, port {port}: Address already in use" in line


def test_a_stopping_service_refuses_connections_at_once_and_completes_open_requests(
    tmp_path: Path, postgres_url: str, studio: StudioStandIn
) -> None:
    held = Held()
    studio.script(held)
    with (
        serving(tmp_path, database_url=postgres_url, private_hosts="127.0.0.1") as service,
        ThreadPoolExecutor(1) as cameras,
    ):
        use_studio(postgres_url, studio)
        replace_worker(service)
        answer = cameras.submit(service.send, PHOTO, SLOT)
        eventually(studio.calls)
        service.process.send_signal(signal.SIGTERM)
        eventually(lambda: is_refused(port_of(service)))
        assert not answer.done()
        held.release()
        assert answer.result().status_code == 200
        assert service.process.wait(HANG_SECONDS) == 0


def test_a_frozen_worker_is_killed_and_replaced(tmp_path: Path, postgres_url: str) -> None:
    with serving(tmp_path, database_url=postgres_url, hang_limit_seconds=HANG_LIMIT) as service:
        eventually(lambda: ready(service))
        (frozen,) = service.workers()
        frozen.send_signal(signal.SIGSTOP)
        assert service.send(PHOTO).status_code == 200  # within its window: the next worker makes it
        assert not frozen.is_running()
        assert "was silent for 10 s; killing it" in service.log.read_text()
        assert replaced(service, "silent")
        assert service.stop() == 0


def test_a_worker_whose_event_loop_is_blocked_says_where_and_is_replaced(tmp_path: Path, postgres_url: str) -> None:
    path = stuck_provider.install(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", path)
        patch.setenv(stuck_provider.CALL, str(tmp_path / "called"))
        with serving(tmp_path, database_url=postgres_url, hang_limit_seconds=HANG_LIMIT) as service:
            entry = RouteEntry(stuck_provider.PROVIDER_ID, stuck_provider.OPERATION_ID)
            set_slot(postgres_url, SLOT, Route(entries=(entry,)))
            assert service.send(PHOTO, SLOT).status_code == 200
            assert rows(postgres_url, "select attempt from photochanger.jobs") == [(2,)]
            log = service.log.read_text()
            assert "event loop blocked for 5 s" in log
            assert "in never_ends" in log
            assert "worker process ended with code 1; restarting it" in log
            assert replaced(service, "ended")
            assert service.stop() == 0


def test_stuck_threads_do_not_keep_a_service_and_its_worker_alive(tmp_path: Path) -> None:
    path = stuck_provider.install(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", path)
        patch.setenv(stuck_provider.THREAD, "1")
        with serving(tmp_path) as service:
            eventually(lambda: ready(service))
            workers = service.workers()
            assert service.stop() == 0
            psutil.wait_procs(workers, timeout=HANG_SECONDS)
            assert not [worker for worker in workers if worker.is_running()]
        assert service.log.read_text().count("stuck booth in never_ends") == 2  # one in each process
        assert not (tmp_path / "postgres" / "data" / "postmaster.pid").exists()


def test_a_stuck_thread_does_not_keep_a_worker_of_its_own_alive(
    tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", stuck_provider.install(tmp_path))
    monkeypatch.setenv(stuck_provider.THREAD, "1")
    with working(tmp_path, database_url=postgres_url) as address:  # asserts its status
        assert address


@pytest.mark.parametrize("state", ["running", "frozen", "stuck"])
def test_no_worker_outlives_a_killed_service(state: str, tmp_path: Path, postgres_url: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        if state == "stuck":
            patch.setenv("PYTHONPATH", stuck_provider.install(tmp_path))
            patch.setenv(stuck_provider.THREAD, "1")
        with serving(tmp_path, database_url=postgres_url) as service:
            eventually(lambda: ready(service))
            (worker,) = service.workers()
            if state == "frozen":
                worker.send_signal(signal.SIGSTOP)
            service.process.kill()
            service.process.wait(HANG_SECONDS)
            psutil.wait_procs([worker], timeout=HANG_SECONDS)
            assert not worker.is_running()


def test_the_third_stop_signal_ends_everything_at_once(tmp_path: Path, studio: StudioStandIn) -> None:
    held = Held()
    studio.script(held)
    with serving(tmp_path, private_hosts="127.0.0.1") as service, ThreadPoolExecutor(1) as cameras:
        with EmbeddedServer.start(tmp_path / "postgres") as database:
            use_studio(database.url("photochanger"), studio)
        workers = eventually(service.workers)
        answer = cameras.submit(service.send, PHOTO, SLOT)
        eventually(studio.calls)
        service.process.send_signal(signal.SIGTERM)
        eventually(lambda: is_refused(port_of(service)))
        assert service.process.poll() is None
        service.process.send_signal(signal.SIGSTOP)  # so that it cannot end by itself between the two
        service.process.send_signal(signal.SIGTERM)
        service.process.send_signal(signal.SIGINT)
        service.process.send_signal(signal.SIGCONT)
        # The second one has had the request answered; the process may have ended before the third one is handled.
        assert service.process.wait(HANG_SECONDS) in (0, 128 + signal.SIGTERM, 128 + signal.SIGINT)
        assert answer.exception() is not None or answer.result().status_code == 503
        psutil.wait_procs(workers, timeout=HANG_SECONDS)
        assert not [worker for worker in workers if worker.is_running()]
        eventually(lambda: not (tmp_path / "postgres" / "data" / "postmaster.pid").exists())
        held.release()
    assert PASSWORD not in service.log.read_text()
