"""The disk that is full or read-only while a file says so, for processes with the shim."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.chaos.form import SHIM, Disk

_WORK = """
import os, pathlib, sys
folder = pathlib.Path(sys.argv[1])
def tried(name, work):
    try:
        work()
    except OSError as error:
        print(name, os.strerror(error.errno))
    else:
        print(name, "done")
def write(path):
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, b"photo")
    finally:
        os.close(descriptor)
tried("write", lambda: write(folder / "new"))
tried("rename", lambda: (folder / "old").rename(folder / "renamed"))
tried("delete", lambda: (folder / "other").unlink())
tried("read", lambda: (folder / "kept").read_bytes())
tried("elsewhere", lambda: write(folder.parent / "elsewhere"))
"""
_DONE, _FULL, _READ_ONLY = "done", "No space left on device", "Read-only file system"


@pytest.mark.parametrize(
    ("mood", "written", "changed"),
    [("", _DONE, _DONE), ("full", _FULL, _DONE), ("read-only", _READ_ONLY, _READ_ONLY)],
    ids=["sound", "full", "read-only"],
)
def test_the_disk_refuses_what_its_state_refuses(tmp_path: Path, mood: str, written: str, changed: str) -> None:
    media, flag = tmp_path / "media", tmp_path / "disk"
    media.mkdir()
    for name in ("old", "other", "kept"):
        (media / name).write_bytes(b"a picture")
    if mood:
        flag.write_text(mood)
    environ = {**os.environ, **Disk(flag, media).environ, "PYTHONPATH": str(SHIM)}
    done = subprocess.run(
        [sys.executable, "-c", _WORK, str(media)], env=environ, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [
        f"write {written}",
        f"rename {changed}",
        f"delete {changed}",
        "read done",
        "elsewhere done",
    ]
