"""Interpreters of Python on this machine, by their version."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest


def interpreter(version: str) -> Path:
    """An interpreter of this version, such as "3.12"; the test is skipped where the machine has none."""
    for candidate in _candidates(version):
        said = subprocess.run(
            (candidate, "-c", "import sys, venv; print('%d.%d' % sys.version_info[:2])"), capture_output=True, text=True
        )
        if said.stdout.strip() == version:
            return candidate
    pytest.skip(f"this machine has no Python {version}")


def _candidates(version: str) -> Iterator[Path]:
    if f"{sys.version_info.major}.{sys.version_info.minor}" == version:
        yield Path(sys.executable).resolve()
    if found := shutil.which(f"python{version}"):
        yield Path(found)
    for root in (os.environ.get("PYENV_ROOT", "~/.pyenv"), "~/.local/share/uv/python"):
        yield from sorted(Path(root).expanduser().glob(f"**/bin/python{version}"))
