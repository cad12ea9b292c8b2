"""A service whose child process hangs on a photo: the request is answered, and the stop ends everything in time."""

from __future__ import annotations

import contextlib
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil

from tests.support import photos
from tests.support.service import Service, eventually, rows, serving


def children_of(service: Service) -> list[psutil.Process]:
    """The fork server of the worker, and the children that it has forked."""
    found = []
    for worker in service.workers():
        with contextlib.suppress(psutil.NoSuchProcess):
            found += worker.children(recursive=True)
    return found


def test_a_worker_stops_in_time_while_a_child_hangs_on_a_photo(tmp_path: Path, postgres_url: str) -> None:
    with serving(tmp_path, database_url=postgres_url, sync_response_seconds="10", workers="1") as service:
        _, spare = eventually(lambda: found if len(found := children_of(service)) == 2 else None)
        spare.send_signal(signal.SIGSTOP)
        with ThreadPoolExecutor(1) as camera:
            answer = camera.submit(service.send, photos.jpeg(320, 240))
            eventually(lambda: rows(postgres_url, "select 1 from photochanger.jobs where state = 'processing'"))
            started = children_of(service)
            assert service.stop() == 0
            assert answer.result().status_code in (503, 504)
    eventually(lambda: not any(psutil.pid_exists(each.pid) for each in started))  # what is orphaned is reaped by others
