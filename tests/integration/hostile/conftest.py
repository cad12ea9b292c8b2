"""The service that the strangers of this folder attack."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.hostile.target import Target, limited


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Strangers need addresses of their own on the loopback network, and the watch needs /proc."""
    for item in items:
        if "integration/hostile" in item.path.as_posix():
            item.add_marker(pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and 127.0.0.0/8"))


@pytest.fixture
def target(tmp_path: Path, postgres_url: str) -> Iterator[Target]:
    """A service with 1,024 descriptors, under a watch."""
    with limited(tmp_path, postgres_url) as running:
        yield running
