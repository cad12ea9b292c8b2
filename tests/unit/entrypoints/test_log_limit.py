"""The log grows by a bounded number of lines, whatever strangers do; what was left out is counted."""

from __future__ import annotations

import io
import logging
from datetime import timedelta

import pytest
from photochanger.entrypoints.log_limit import (
    BY_STRANGER,
    MOST_BY_STRANGERS,
    MOST_OF_A_KIND,
    PERIOD,
    LimitedHandler,
    LogLimit,
)

SECOND = timedelta(seconds=1)


class Written:
    """A logger whose lines are read, with a clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = timedelta(0)
        self.stream = io.StringIO()
        self.handler = LimitedHandler(self.stream)
        self.handler.limit = LogLimit(lambda: self.now)
        self.logger = logging.Logger("photochanger.test")
        self.logger.addHandler(self.handler)

    def refusals(self, count: int, *, kind: str = "refused", strange: bool = True) -> None:
        for number in range(count):
            self.logger.info("%s %d", kind, number, extra={BY_STRANGER: strange, "kind": kind})

    def others(self, count: int) -> None:
        for number in range(count):
            self.logger.info("other %d", number)

    @property
    def lines(self) -> list[str]:
        return self.stream.getvalue().splitlines()


def test_strangers_write_a_few_lines_a_minute_and_the_rest_is_counted() -> None:
    written = Written()
    written.refusals(10_000)
    assert written.lines == [f"refused {number}" for number in range(MOST_BY_STRANGERS)]
    written.now += PERIOD
    written.others(1)
    summary = f"{10_000 - MOST_BY_STRANGERS} more such records were left out; the last: refused 9999"
    assert written.lines[MOST_BY_STRANGERS:] == [summary, "other 0"]
    written.refusals(1)
    assert written.lines[-1] == "refused 0"


def test_each_kind_has_its_own_bound() -> None:
    written = Written()
    written.refusals(1000)
    written.refusals(3, kind="gone")
    written.refusals(100, kind="picture", strange=False)
    written.others(100)
    assert len(written.lines) == MOST_BY_STRANGERS + 203


def test_what_the_service_says_by_itself_is_bounded_too() -> None:
    written = Written()
    written.others(2 * MOST_OF_A_KIND)
    assert len(written.lines) == MOST_OF_A_KIND


def test_nothing_is_left_out_of_a_slow_log() -> None:
    written = Written()
    for _ in range(5):
        written.refusals(MOST_BY_STRANGERS)
        written.now += PERIOD
    assert len(written.lines) == 5 * MOST_BY_STRANGERS


def test_the_end_tells_what_was_left_out() -> None:
    written = Written()
    written.refusals(MOST_BY_STRANGERS + 5)
    written.now += SECOND
    written.handler.close()
    assert written.lines[-1].startswith("5 more such records were left out")


@pytest.mark.parametrize("name", ["uvicorn.error", "asyncio"])
def test_lines_of_libraries_about_clients_are_by_strangers(name: str) -> None:
    written = Written()
    written.logger.name = name
    written.others(1000)
    assert len(written.lines) == MOST_BY_STRANGERS
