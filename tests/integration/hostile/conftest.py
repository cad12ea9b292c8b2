"""The service that the strangers of this folder attack."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from photochanger.adapters.postgres import EmbeddedServer

from tests.support.hostile.target import Target, limited
from tests.support.postgres_server import fresh_database


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Strangers need addresses of their own on the loopback network, and the watch needs /proc."""
    for item in items:
        if "integration/hostile" in item.path.as_posix():
            item.add_marker(pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and 127.0.0.0/8"))


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory, postgres_server: EmbeddedServer) -> Iterator[Target]:
    """A service with 1,024 descriptors, under a watch; the scenarios of a file attack it one after the other."""
    with fresh_database(postgres_server) as url, limited(tmp_path_factory.mktemp("service"), url) as running:
        yield running
