"""How many connections each process of a real service holds while photos and the page's queries come in together."""

from __future__ import annotations

import os
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psycopg
from photochanger.adapters.postgres.database import MAX_CONNECTIONS

from tests.support import photos
from tests.support.plain_http import NO_TLS
from tests.support.service import Service, serving

_COUNT = """
select application_name, count(*) from pg_stat_activity
where datname = current_database() and pid <> pg_backend_pid() and application_name like 'photochanger %'
group by application_name
"""
_PHOTOS = 32
_READS = ("/api/overview", "/api/stats/global", "/api/stats/slot-001", "/api/jobs", "/api/settings", "/api/audit")


def watch(url: str, most: Counter[str], ended: threading.Event) -> None:
    """Keep the highest count of each process until the event."""
    with psycopg.connect(url, autocommit=True) as connection:
        while True:
            last = ended.is_set()
            for name, count in connection.execute(_COUNT).fetchall():
                most[name] = max(most[name], count)
            if last:
                return


def read(service: Service, token: str, path: str) -> int:
    with service.client() as client:
        return client.get(path, headers={"Authorization": f"Bearer {token}"}).status_code


def test_no_process_holds_more_than_the_documented_connections(postgres_url: str, tmp_path: Path) -> None:
    most: Counter[str] = Counter()
    ended = threading.Event()
    photo = photos.jpeg(160, 120)
    with (
        serving(tmp_path, database_url=postgres_url, admin_password="a long admin password") as service,
        ThreadPoolExecutor(16) as callers,
    ):
        watching = threading.Thread(target=watch, args=(postgres_url, most, ended))
        watching.start()
        try:
            credentials = {"username": "admin", "password": "a long admin password"}
            token = httpx.post(f"{service.address}/api/login", json=credentials, verify=NO_TLS, timeout=180).json()[
                "access_token"
            ]
            sent = [callers.submit(service.send, photo, f"slot-{1 + n % 4:03d}") for n in range(_PHOTOS)]
            reads = [callers.submit(read, service, token, path) for path in _READS for _ in range(4)]
            answers = [one.result().status_code for one in sent]
            statuses = {one.result() for one in reads}
        finally:
            ended.set()
            watching.join()
        names = {f"photochanger {process}" for process in (service.process.pid, *(w.pid for w in service.workers()))}
    assert answers == [200] * _PHOTOS
    assert statuses == {200}
    assert {*most} == names
    assert f"photochanger {os.getpid()}" not in most
    assert max(most.values()) <= MAX_CONNECTIONS == 8, most
