"""The processes of the cluster: each can be killed, and started again where it was."""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

import httpx

from tests.support.cluster.balancer import Balancer
from tests.support.pgbouncer import PgBouncer
from tests.support.plain_http import NO_TLS
from tests.support.ports import bound_to
from tests.support.postgres_pair import running_alone, stopped_data
from tests.support.seaweedfs import ACCESS_KEY, BUCKET, SECRET_KEY, SeaweedServer
from tests.support.service import HANG_SECONDS, PASSWORD, command, environment, eventually

HOSTS = 2
WORKERS = 3


class Part(Protocol):
    """What can be killed and started again."""

    def start(self) -> None:
        """Start it, and return once it works."""
        ...

    def kill(self) -> None:
        """End it by SIGKILL."""
        ...


class Program:
    """A process of the cluster with a log of its own."""

    def __init__(
        self, arguments: tuple[str, ...], *, env: Mapping[str, str], log: Path, works: Callable[[], bool]
    ) -> None:
        self._arguments = arguments
        self._environment = dict(env)
        self._log = log
        self._works = works
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            process = subprocess.Popen(self._arguments, env=self._environment, stdout=log, stderr=log)
        self._process = process
        eventually(lambda: process.poll() is not None or self._works())
        assert process.poll() is None, self._log.read_text()[-3000:]

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait(HANG_SECONDS)

    def stop(self) -> None:
        """End it by its stop signal, where it runs."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(HANG_SECONDS)


class Pooler:
    """PgBouncer as a part."""

    def __init__(self, pooler: PgBouncer) -> None:
        self.start = pooler.start
        self.kill = pooler.stop


class Cluster:
    """The running parts by name, and the one address before them."""

    def __init__(self, url: str, parts: Mapping[str, Part]) -> None:
        self.url = url
        self.parts = parts


@contextlib.contextmanager
def running_cluster(folder: Path) -> Iterator[Cluster]:
    """A cluster whose data and logs lie in this folder, ended with the block."""
    with contextlib.ExitStack() as stack:
        database = stack.enter_context(running_alone(stack.enter_context(stopped_data()), folder / "postgres"))
        pooler = PgBouncer(folder / "pgbouncer", database.url())
        stack.callback(pooler.close)
        pooler.start()
        store_folder = folder / "store"
        store_folder.mkdir()
        store = SeaweedServer(store_folder)
        stack.callback(store.close)
        store.start()
        ports = [_port(stack) for _ in range(HOSTS)]
        balancer = Balancer(folder / "nginx", _port(stack), ports)
        shared = {
            "database_url": pooler.url(database.url()),
            "listen_database_url": database.url(),
            "public_base_url": balancer.url,
            "trusted_proxies": "127.0.0.1",
            "secret_key": secrets.token_urlsafe(48),
            "s3_endpoint": store.url,
            "s3_bucket": BUCKET,
            "s3_access_key_id": ACCESS_KEY,
            "s3_secret_access_key": SECRET_KEY,
            "ingest_password": PASSWORD,
        }
        hosts = {f"serve {n + 1}": _host(folder / f"serve-{n + 1}", port, shared) for n, port in enumerate(ports)}
        workers = {f"worker {n + 1}": _worker(folder / f"worker-{n + 1}", shared) for n in range(WORKERS)}
        edge = Program(
            balancer.command, env=os.environ, log=folder / "nginx.log", works=lambda: _ready(f"{balancer.url}/readyz")
        )
        for program in (*workers.values(), *hosts.values(), edge):  # a host without a worker is not ready
            stack.callback(program.stop)
            program.start()
        single: dict[str, Part] = {"PostgreSQL": database, "PgBouncer": Pooler(pooler), "SeaweedFS": store}
        yield Cluster(balancer.url, {**hosts, **workers, "nginx": edge, **single})


def _port(stack: contextlib.ExitStack) -> int:
    port: int = stack.enter_context(bound_to(0)).getsockname()[1]
    return port


def _host(home: Path, port: int, shared: Mapping[str, str]) -> Program:
    home.mkdir()
    settings = {**shared, "port": str(port), "metrics_port": "0"}
    return Program(
        command("serve", "--workers", "0"),
        env=environment(home, **settings),
        log=home / "log",
        works=lambda: _ready(f"http://127.0.0.1:{port}/readyz"),
    )


def _worker(home: Path, shared: Mapping[str, str]) -> Program:
    home.mkdir()
    log = home / "log"
    return Program(
        command("worker"),
        env=environment(home, **shared, metrics_port="0"),
        log=log,
        works=lambda: "Metrics are at" in log.read_text(),
    )


def _ready(url: str) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(url, verify=NO_TLS, timeout=HANG_SECONDS).status_code == 200
    return False
