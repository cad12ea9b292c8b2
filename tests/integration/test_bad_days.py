"""Days on which things die: workers, the whole service, PostgreSQL. No photo is lost, no request hangs."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest
from photochanger.adapters.postgres import EmbeddedServer, migrate
from photochanger.core.domain.slots.slot import Route, RouteEntry

from tests.support import photos
from tests.support.service import HANG_SECONDS, command, environment, eventually, job_states, rows, serving, set_slot
from tests.support.standins.server import Held, hang
from tests.support.standins.studio import StudioStandIn

PHOTO = photos.jpeg(320, 240)
STUDIO_SLOT, OIL_SLOT = "slot-005", "slot-002"


@pytest.fixture
def studio() -> Iterator[StudioStandIn]:
    """An image service whose calls a test can hold: a job is in the middle for as long as the test wants."""
    with StudioStandIn().running_in_thread() as running:
        yield running


def settings_of(tmp_path: Path, url: str) -> dict[str, str]:
    """What every process of a service with a studio needs."""
    return {"database_url": url, "media_root": str(tmp_path / "media"), "private_hosts": "127.0.0.1"}


def use_studio(url: str, studio: StudioStandIn) -> None:
    """Let the studio make the pictures of its slot."""
    entry = RouteEntry("http", "image_edit", {"url": f"{studio.url}/render"})
    set_slot(url, STUDIO_SLOT, Route(entries=(entry,)))


def files_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def is_picture(answer: httpx.Response) -> bool:
    return answer.status_code == 200 and answer.content.startswith((b"\xff\xd8\xff", b"\x89PNG"))


def attempts(url: str) -> int:
    return int(rows(url, "select coalesce(max(attempt), 0) from photochanger.jobs")[0][0])


def test_a_worker_killed_in_mid_job_is_replaced_and_the_job_finished_in_its_window(
    tmp_path: Path, postgres_url: str, studio: StudioStandIn
) -> None:
    studio.script(hang)
    settings = settings_of(tmp_path, postgres_url)
    with serving(tmp_path, **settings) as service, ThreadPoolExecutor(1) as cameras:
        use_studio(postgres_url, studio)
        answer = cameras.submit(service.send, PHOTO, STUDIO_SLOT)
        eventually(studio.calls)
        for worker in service.workers():
            worker.kill()
        assert is_picture(answer.result())
        assert job_states(postgres_url) == ["succeeded"]
        assert attempts(postgres_url) == 2
        assert eventually(lambda: not files_below(tmp_path / "media" / "payloads"))
        assert len(files_below(tmp_path / "media" / "results")) == 1


def test_the_whole_service_killed_and_started_again_loses_no_job_and_leaves_no_file(
    tmp_path: Path, postgres_url: str
) -> None:
    with serving(tmp_path, database_url=postgres_url) as service:
        for _ in range(3):
            answer = service.send(photos.jpeg(1600, 1200), OIL_SLOT, Prefer="respond-async")
            assert answer.status_code == 202
        service.kill()
    (tmp_path / "media" / ".partial" / "half-written").write_bytes(b"what a kill leaves behind")
    (tmp_path / "media" / "payloads" / "0-orphan").write_bytes(b"a photo whose job was never made")
    rows(postgres_url, "insert into photochanger.begun_files values ('payloads/0-orphan', now()) returning 1")
    with serving(tmp_path, database_url=postgres_url) as service:
        eventually(lambda: job_states(postgres_url) == ["succeeded"] * 3)
        assert service.stop() == 0
    swept = subprocess.run(
        command("sweep", "--grace", "0"),
        env=environment(tmp_path, database_url=postgres_url),
        capture_output=True,
        text=True,
        check=True,
    )
    assert re.search(r"^partial files: [1-9]", swept.stdout, re.MULTILINE), "that, and what the kill itself cut short"
    left = files_below(tmp_path / "media")
    assert not [name for name in left if name.startswith(("payloads", ".partial"))]
    results = {key for (key,) in rows(postgres_url, "select result_stem from photochanger.jobs")}
    assert {Path(name).stem for name in left if name.startswith("results")} == results


def test_postgresql_stopped_and_started_while_requests_wait_ends_in_pictures(
    tmp_path: Path, studio: StudioStandIn
) -> None:
    folder = tmp_path / "database"
    server = EmbeddedServer.start(folder)
    server.ensure_database("days")
    url = server.url("days")
    migrate(url)
    held = Held()
    studio.script(*[held] * 4)
    try:
        with serving(tmp_path, **settings_of(tmp_path, url)) as service:
            use_studio(url, studio)
            with ThreadPoolExecutor(5) as cameras:
                waiting = [cameras.submit(service.send, photos.jpeg(320 + n, 240), STUDIO_SLOT) for n in range(4)]
                eventually(studio.calls)
                postmaster = psutil.Process(int((folder / "data" / "postmaster.pid").read_text().split()[0]))
                postmaster.send_signal(signal.SIGQUIT)
                postmaster.wait(HANG_SECONDS)  # this process is its parent and must reap it
                meanwhile = cameras.submit(service.send, PHOTO)
                again = EmbeddedServer.start(folder)
                try:
                    assert again.url("days") == url
                    held.release()
                    for answer in (future.result() for future in (*waiting, meanwhile)):
                        assert is_picture(answer), answer.text
                    assert is_picture(service.send(PHOTO))
                finally:
                    again.close()
            assert service.stop() == 0
    finally:
        server.close()


def test_two_workers_beside_a_service_without_any_share_the_work(
    tmp_path: Path, postgres_url: str, studio: StudioStandIn
) -> None:
    held = Held()
    studio.script(held, held)
    settings = settings_of(tmp_path, postgres_url)
    with serving(tmp_path, "--workers", "0", **settings) as service:
        use_studio(postgres_url, studio)
        workers = [
            subprocess.Popen(command("worker", "--workers", "1"), env=environment(tmp_path, **settings))
            for _ in range(2)
        ]
        try:
            with ThreadPoolExecutor(6) as cameras:
                sent = [cameras.submit(service.send, photos.jpeg(320 + n, 240), STUDIO_SLOT) for n in range(6)]
                eventually(lambda: len(studio.calls()) == 2)  # each has one job at a time
                held.release()
                assert all(is_picture(future.result()) for future in sent)
            names = rows(
                postgres_url,
                "select count(distinct detail->>'worker') from photochanger.processing_logs where event = 'acquired'",
            )
            assert names == [(2,)]
            assert not service.workers()
        finally:
            held.release()
            for worker in workers:
                worker.send_signal(signal.SIGTERM)
            codes = [worker.wait(HANG_SECONDS) for worker in workers]
        assert codes == [0, 0]
        assert service.stop() == 0


def test_the_stop_signal_lets_the_waiting_request_have_its_picture(
    tmp_path: Path, postgres_url: str, studio: StudioStandIn
) -> None:
    held = Held()
    studio.script(held)
    settings = settings_of(tmp_path, postgres_url)
    with serving(tmp_path, **settings) as service, ThreadPoolExecutor(1) as cameras:
        use_studio(postgres_url, studio)
        answer = cameras.submit(service.send, PHOTO, STUDIO_SLOT)
        eventually(studio.calls)
        service.process.send_signal(signal.SIGTERM)
        held.release()
        assert is_picture(answer.result())
        assert service.process.wait(HANG_SECONDS) == 0


def test_a_worker_finishes_its_job_after_the_stop_signal_and_exits_cleanly(
    tmp_path: Path, postgres_url: str, studio: StudioStandIn
) -> None:
    held = Held()
    studio.script(held)
    settings = settings_of(tmp_path, postgres_url)
    with serving(tmp_path, "--workers", "0", **settings) as service, ThreadPoolExecutor(1) as cameras:
        use_studio(postgres_url, studio)
        answer = cameras.submit(service.send, PHOTO, STUDIO_SLOT)
        worker = subprocess.Popen(command("worker", "--workers", "1"), env=environment(tmp_path, **settings))
        eventually(studio.calls)
        worker.send_signal(signal.SIGTERM)
        held.release()
        assert is_picture(answer.result())
        assert worker.wait(HANG_SECONDS) == 0


def test_workers_of_a_killed_service_do_not_outlive_it(tmp_path: Path, postgres_url: str) -> None:
    with serving(tmp_path, database_url=postgres_url) as service:
        workers = eventually(service.workers)
        service.process.kill()
        service.process.wait(HANG_SECONDS)
        gone, alive = psutil.wait_procs(workers, timeout=HANG_SECONDS)
        assert gone
        assert not alive


def test_a_wrong_setting_stops_the_start_with_one_line_that_names_the_variable(tmp_path: Path) -> None:
    for name, value in (
        ("WORKERS", "many"),
        ("SYNC_RESPONSE_SECONDS", "5"),
        ("DATABASE_URL", "mysql://x"),
        ("WROKERS", "4"),
    ):
        run = subprocess.run(
            command("serve"), env=environment(tmp_path, **{name.lower(): value}), capture_output=True, text=True
        )
        assert run.returncode == 2
        assert f"PHOTOCHANGER_{name}" in run.stderr
        assert len(run.stderr.splitlines()) == 1


def test_the_embedded_database_serves_a_newcomer_who_sets_nothing(tmp_path: Path) -> None:
    with serving(tmp_path) as service:
        assert is_picture(service.send(photos.jpeg(800, 600)))
        with service.client() as client:
            eventually(lambda: client.get("/readyz").json()["status"] == "ready")  # each look has two seconds
        doctor = subprocess.run(command("doctor"), env=environment(tmp_path), capture_output=True, text=True)
        assert doctor.returncode == 0, doctor.stdout
        assert "FIX" not in doctor.stdout
        postmaster_pid = tmp_path / "postgres" / "data" / "postmaster.pid"
        assert postmaster_pid.exists()
        assert service.stop() == 0
    assert not postmaster_pid.exists()
    assert "Traceback" not in service.log.read_text()
