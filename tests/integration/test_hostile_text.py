"""No text from outside costs more than linear time: every function that takes text, and every regular expression."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PACKAGES = {
    "providers": ("adapters.providers", "adapters.http_client", "adapters.webhooks"),
    "domain": ("core.domain",),
    "http": ("entrypoints.http.protocol", "entrypoints.http.ingest", "entrypoints.http.auth.session_cookie"),
    "rest": ("entrypoints.strict_json", "entrypoints.logging_setup", "entrypoints.cli.send.response"),
    "regular expressions": ("patterns",),
}


@pytest.mark.parametrize("packages", PACKAGES.values(), ids=PACKAGES)
def test_a_long_text_costs_little(packages: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "tests.support.hostile_text", *packages]
    done = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False, timeout=900)
    lines = done.stdout.splitlines()
    assert done.returncode == 0, (lines[-1:], done.stderr[-2000:])
    assert [line for line in lines if line.startswith("FAULT")] == []
    assert int(lines[-1].removeprefix("done ")) > 20
