"""`photochanger send` on another machine: a process of its own, its folder, and servers with scripted answers.

By itself the command hears Ctrl-C, also where the run of the tests does not: children of what a shell started in the
background inherit that it is ignored.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from tests.support import photos
from tests.support.http_server import PASSWORD, Gate, Service

ON_A_TERMINAL = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"


class Studio:
    """Another machine: a folder with photos, and the command."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.output = folder / "pictures"
        folder.mkdir()

    def photo(self, name: str = "IMG_0001.JPG", data: bytes | None = None) -> str:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        photos.store(path, photos.jpeg(160, 120) if data is None else data)
        return name

    def pictures(self) -> list[str]:
        return sorted(path.name for path in self.output.iterdir())

    async def start(
        self,
        *arguments: str,
        url: str,
        slot: str = "slot-001",
        password: str | None = PASSWORD,
        terminal: bool = False,
        wrapper: str | None = None,
        ctrl_c: Any = signal.default_int_handler,
        **variables: str,
    ) -> asyncio.subprocess.Process:
        """The command on its way, or a `wrapper` that runs it. No setting of a server can be used here, so none may be
        looked at."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PHOTOCHANGER_")}
        environ = kept | {"PHOTOCHANGER_PORT": "none", "PHOTOCHANGER_DATABASE_URL": "nowhere", "TERM": "xterm"}
        environ |= variables
        if password is not None:
            environ["PHOTOCHANGER_INGEST_PASSWORD"] = password
        python = (sys.executable, "-m", "photochanger") if wrapper is None else (sys.executable, "-c", wrapper)
        command = (*python, "send", *arguments, "--slot", slot, "--url", url)
        return await asyncio.create_subprocess_exec(
            *((sys.executable, "-c", ON_A_TERMINAL, *command) if terminal else command),
            cwd=self.folder,
            env=environ,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            preexec_fn=lambda: signal.signal(signal.SIGINT, ctrl_c),
        )

    async def send(self, *arguments: str, **options: Any) -> Done:
        return await finished(await self.start(*arguments, **options))


class Done:
    """What the command left: its exit code and what it wrote."""

    def __init__(self, code: int, out: bytes, errors: bytes) -> None:
        self.code = code
        self.out = out.decode()
        self.errors = errors.decode()

    @property
    def sent(self) -> list[dict[str, Any]]:
        return json.loads(self.out)["photos"]

    @property
    def interrupted(self) -> bool:
        return json.loads(self.out)["interrupted"]

    @property
    def totals(self) -> dict[str, Any]:
        return json.loads(self.out)["totals"]


async def finished(process: asyncio.subprocess.Process, before: bytes = b"") -> Done:
    out, errors = await process.communicate()
    assert process.returncode is not None
    assert b"Traceback" not in errors, errors.decode()
    return Done(process.returncode, before + out, errors)


async def read_until(process: asyncio.subprocess.Process, text: bytes) -> bytes:
    """What the command has written once that text is in it."""
    assert process.stdout is not None
    seen = b""
    while text not in seen:
        chunk = await process.stdout.read(65536)
        assert chunk, seen.decode()
        seen += chunk
    return seen


async def held(gate: Gate, calls: int) -> None:
    """Wait until so many photos are with the provider; a command that has died sends none."""
    async with asyncio.timeout(180):
        await gate.held(calls)


def url_of(service: Service) -> str:
    return f"http://127.0.0.1:{service.port}"


class Stub:
    """A server with scripted answers, the last one repeated; it keeps the heads of the requests."""

    def __init__(self, *answers: bytes) -> None:
        self._answers = list(answers)
        self.heads: list[str] = []
        self.url = ""

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.heads.append(head)
            await reader.readexactly(int(self.header(-1, "content-length")))
            answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
            writer.write(answer)
            if answer == NULL_TELEMETRY:
                await reader.read()
        writer.close()

    def header(self, request: int, name: str) -> str:
        lines = dict(line.split(": ", 1) for line in self.heads[request].splitlines()[1:] if line)
        return {key.lower(): value for key, value in lines.items()}[name]


NULL_TELEMETRY = b""


@contextlib.asynccontextmanager
async def answering(*answers: bytes) -> AsyncIterator[Stub]:
    stub = Stub(*answers)
    server = await asyncio.start_server(stub, "127.0.0.1", 0)
    stub.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield stub


def answer(status: int, body: bytes = b"", *, kind: str = "image/jpeg", **headers: str) -> bytes:
    fields = {"Content-Type": kind, "Content-Length": str(len(body)), "Connection": "close"}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"HTTP/1.1 {status} Said", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
