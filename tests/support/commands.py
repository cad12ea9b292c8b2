"""The `photochanger` command in a process of its own that comes with its modules loaded: it starts in no time.

Importing takes a new process longer than most commands. The standard library's fork server imports once, and each
command runs in a fork of it, with environment, input, outputs and exit status of its own like any other process.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from multiprocessing.connection import wait
from pathlib import Path
from typing import IO

_SECONDS = 180
_one_thread = threading.Lock()
"""A status can be read once, and a start reads those of all commands that have ended."""

_forking = multiprocessing.get_context("forkserver")
_forking.set_forkserver_preload(
    [
        "tests.support.commands",
        *(
            f"photochanger.entrypoints.cli.{name}"
            for name in (
                "main",
                "admin",
                "backup",
                "db_move",
                "doctor",
                "jobs",
                "providers",
                "serve",
                "slots",
                "stats",
                "status",
            )
        ),
        "photochanger.entrypoints.container",
    ]
)


def run_command(*arguments: str, env: Mapping[str, str], stdin: str = "") -> subprocess.CompletedProcess[str]:
    """What `photochanger` with these arguments does in this environment, at its end."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [f"{folder}/{name}" for name in ("in", "out", "err")]
        with open(paths[0], "w", encoding="utf-8", newline="") as given:
            given.write(stdin)
        process = _forking.Process(target=_command, args=(arguments, dict(env), paths))
        with _one_thread:
            process.start()
        wait([process.sentinel], _SECONDS)
        with _one_thread:
            status = process.exitcode
        if status is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(arguments, _SECONDS)
        out, err = (Path(path).read_text("utf-8") for path in paths[1:])
        return subprocess.CompletedProcess(arguments, status, out, err)


def _command(arguments: tuple[str, ...], env: dict[str, str], paths: list[str]) -> None:
    from photochanger.entrypoints.cli.main import main

    os.environ.clear()
    os.environ.update(env)
    for number, path in enumerate(paths):
        opened = os.open(path, os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin, sys.stdout, sys.stderr = _text(0, "r"), _text(1, "w"), _text(2, "w")
    sys.argv = ["photochanger", *arguments]
    try:
        main()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def _text(number: int, mode: str) -> IO[str]:
    return open(number, mode, encoding="utf-8", closefd=False)
