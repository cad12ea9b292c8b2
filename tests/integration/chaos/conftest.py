"""Campaigns need /proc, signals and a free loopback port."""

from __future__ import annotations

import sys

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "integration/chaos" in item.path.as_posix():
            item.add_marker(pytest.mark.skipif(sys.platform != "linux", reason="needs /proc"))
