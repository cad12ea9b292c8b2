"""What every suite shares: the event loop that async tests run on, and the servers of the run."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

from tests.support.pgbouncer import pooler
from tests.support.postgres_server import postgres_server, postgres_url
from tests.support.seaweedfs import seaweedfs

settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

__all__ = ["anyio_backend", "pooler", "postgres_server", "postgres_url", "seaweedfs"]


class _FailuresAtOnce:
    """Shows each failure when it happens: of a run that is ended from outside, pytest shows none."""

    def __init__(self, terminal: pytest.TerminalReporter) -> None:
        self._terminal = terminal

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._terminal.write_line(f"\n{report.nodeid} ({report.when}):\n{report.longreprtext}")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Show failures at once, in the process that writes to the terminal."""
    plugins = session.config.pluginmanager
    if terminal := plugins.get_plugin("terminalreporter"):
        plugins.register(_FailuresAtOnce(terminal))


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
