"""A running service, and a browser in front of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from _pytest.runner import runtestprotocol
from photochanger.core.domain.accounts import Permission
from playwright.async_api import Browser

from tests.support.administration import Administrator, token_of
from tests.support.browsing import Browsing, browser, browsing, stopped
from tests.support.http_server import Service, serving


def pytest_runtest_protocol(item: pytest.Function, nextitem: pytest.Item | None) -> bool:
    """Run a test once more where it failed in a tab that Chromium stopped to draw (`stopped` says what is known)."""
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    stopped.clear()
    reports = runtestprotocol(item, log=False, nextitem=nextitem)
    if stopped and any(report.failed for report in reports):
        item.warn(pytest.PytestWarning(f"Chromium stopped to draw at {stopped}, so this test ran twice"))
        item._initrequest()
        reports = runtestprotocol(item, log=False, nextitem=nextitem)
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    async with serving(tmp_path) as running:
        yield running


@pytest.fixture
async def admin(service: Service) -> Administrator:
    """An administrator at the API, to arrange what the page shows."""
    return Administrator(service, await token_of(service, *Permission))


@pytest.fixture(scope="package")
def anyio_backend() -> str:
    """One event loop for all tests of the page, which share a browser."""
    return "asyncio"


@pytest.fixture(scope="package")
async def chromium() -> AsyncIterator[Browser]:
    """One browser for all tests; each opens tabs with a memory of their own."""
    async with browser() as started:
        yield started


@pytest.fixture
async def tab(service: Service, chromium: Browser) -> AsyncIterator[Browsing]:
    """A tab of a laptop, at the sign-in."""
    async with browsing(chromium, f"http://127.0.0.1:{service.port}") as opened:
        await opened.open()
        yield opened
