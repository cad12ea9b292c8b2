"""A real S3 service for the tests: SeaweedFS on free loopback ports, with its files in a temporary folder."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO
from uuid import uuid4

import httpx
import pytest
from photochanger.adapters.s3.settings import S3Bounds, S3Settings
from photochanger.adapters.s3.signing import Credentials, Request, signed_headers

from tests.support.ports import bound_to

ACCESS_KEY, SECRET_KEY = "AKIATESTSOFPHOTOCH", "secret-key-of-the-tests/5f1c"
BUCKET = "photos"
READER_KEY, READER_SECRET = "AKIATESTSONLYREADS", "secret-key-that-may-only-read"
PATIENT = S3Bounds(
    connect=timedelta(seconds=60),
    call=timedelta(seconds=60),
    inactivity=timedelta(seconds=60),
    cleaning=timedelta(seconds=60),
    read_attempts=1000,
)
"""Bounds that no busy machine exceeds."""

_PORTS = ("master", "master.grpc", "volume", "volume.grpc", "filer", "filer.grpc", "s3", "s3.grpc")
_IDENTITIES = [
    (ACCESS_KEY, SECRET_KEY, ["Admin", "Read", "Write", "List", "Tagging"]),
    (READER_KEY, READER_SECRET, ["Read", "List"]),
]


class SeaweedServer:
    """The server process. Its files outlive `kill`, so that `start` brings them back on the same ports."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._places = {name: bound_to(0) for name in _PORTS}
        self._ports = {name: place.getsockname()[1] for name, place in self._places.items()}
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None
        self._http = httpx.Client(verify=False, timeout=60)
        (folder / "data").mkdir()
        identities = [
            {"name": key, "credentials": [{"accessKey": key, "secretKey": secret}], "actions": actions}
            for key, secret, actions in _IDENTITIES
        ]
        (folder / "identities.json").write_text(json.dumps({"identities": identities}))

    @property
    def port(self) -> int:
        """The port of the S3 service."""
        return self._ports["s3"]

    @property
    def url(self) -> str:
        """The endpoint."""
        return f"http://127.0.0.1:{self.port}"

    def settings(self, *, bucket: str = BUCKET, prefix: str | None = None, endpoint: str | None = None) -> S3Settings:
        """The settings of an administrator, by way of another endpoint where one is named.

        The bucket is the common one, and the prefix one of its own, if none are named.
        """
        return S3Settings(
            endpoint=endpoint or self.url,
            bucket=bucket,
            prefix=uuid4().hex if prefix is None else prefix,
            access_key_id=ACCESS_KEY,
            secret_access_key=SECRET_KEY,
        )

    def start(self) -> None:
        """Start it and wait until it stores an object."""
        port = self._ports
        self._log = (self._folder / "log").open("ab")
        self._process = subprocess.Popen(
            [
                Path(sys.executable).with_name("weed"),
                "-logtostderr=true",
                "server",
                f"-dir={self._folder / 'data'}",
                "-ip=127.0.0.1",
                "-ip.bind=127.0.0.1",
                "-master.telemetry=false",
                "-master.electionTimeout=300ms",  # also the wait before a lone master is the leader again
                "-master.volumeSizeLimitMB=64",
                "-volume.max=0",
                "-filer",
                "-s3",
                "-s3.port.iceberg=0",
                "-s3.port.lance=0",
                "-s3.autoCreateBucket=false",
                f"-s3.config={self._folder / 'identities.json'}",
                *(f"-{name.replace('.', '.port.') if '.' in name else name + '.port'}={port[name]}" for name in _PORTS),
            ],
            stdout=self._log,
            stderr=self._log,
        )
        self._until(lambda: self.request("PUT", f"/{BUCKET}").status_code in (200, 409))
        self._until(lambda: self.request("PUT", f"/{BUCKET}/probe", body=b"x").status_code == 200)

    def kill(self) -> None:
        """End it by SIGKILL; does nothing where it does not run."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        if self._log is not None:
            self._log.close()
        for socket_file in Path("/tmp").glob("seaweedfs-*.sock"):
            if any(socket_file.stem.endswith(f"-{port}") for port in self._ports.values()):
                socket_file.unlink()

    def close(self) -> None:
        """End it for good."""
        self.kill()
        self._http.close()
        for place in self._places.values():
            place.close()

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Stopped by SIGSTOP: the system accepts connections, the server answers nothing."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)
        # On a busy machine it is a while until one of its threads takes the signal; others answer until then.
        while not _is_stopped(self._process.pid):
            time.sleep(0.001)
        try:
            yield
        finally:
            os.kill(self._process.pid, signal.SIGCONT)

    def new_bucket(self) -> str:
        """A further bucket, empty. The first object in it takes the server a quarter of a second."""
        name = f"photos-{uuid4().hex[:12]}"
        self.request("PUT", f"/{name}").raise_for_status()
        return name

    def request(
        self, method: str, path: str, *, query: dict[str, str] | None = None, body: bytes = b""
    ) -> httpx.Response:
        """The answer to a signed request of the administrator."""
        digest = hashlib.sha256(body).hexdigest()
        request = Request(method, f"{self.url}{path}", query=query or {}, body_sha256=digest)
        keys = Credentials(ACCESS_KEY, SECRET_KEY)
        headers = signed_headers(request, keys, region="us-east-1", now=datetime.now(UTC))
        return self._http.request(method, request.address, headers=headers, content=body)

    def _until(self, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 120
        while True:
            with contextlib.suppress(httpx.TransportError):
                if done():
                    return
            assert time.monotonic() < deadline, (self._folder / "log").read_text()[-4000:]
            assert self._process is not None
            assert self._process.poll() is None, (self._folder / "log").read_text()[-4000:]
            time.sleep(0.05)


def _is_stopped(pid: int) -> bool:
    """Whether each thread of the process has stopped, by its state behind its name."""
    states = []
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):  # it has ended
            states.append((thread / "stat").read_text().rpartition(")")[2].split()[0])
    return bool(states) and set(states) == {"T"}


@contextlib.contextmanager
def running_seaweedfs() -> Iterator[SeaweedServer]:
    """A server that runs while the block lasts."""
    folder = Path(tempfile.mkdtemp(prefix="photochanger-seaweedfs-"))
    server = SeaweedServer(folder)
    try:
        server.start()
        yield server
    finally:
        server.close()
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def seaweedfs() -> Iterator[SeaweedServer]:
    """One server per worker of the run, started when first asked for; tests use prefixes of their own."""
    with running_seaweedfs() as server:
        yield server
