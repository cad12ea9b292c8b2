"""The pause that an answer asks for, in its header or in its words."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from photochanger.adapters.http_client.retry_after import retry_after

DAY = timedelta(days=1)


def test_retry_after_is_read_as_seconds_and_as_a_date() -> None:
    def after(value: str) -> timedelta | None:
        return retry_after({"retry-after": value})

    assert after("0") == timedelta(0)
    assert after(" 30 ") == timedelta(seconds=30)
    assert after("Wed, 21 Oct 2015 07:28:00 GMT") == timedelta(0)
    in_an_hour = after(format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True))
    assert in_an_hour is not None
    assert timedelta(minutes=50) < in_an_hour <= timedelta(hours=1)
    for nonsense in ("", "soon", "-5", "1,5", "١٢"):
        assert after(nonsense) is None
    assert after("1.5") == timedelta(seconds=1.5)
    assert after("9" * 5000) == timedelta(days=1)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Please try again in 12s. Visit https://example.com to learn more.", 12),
        ("Rate limit reached for gpt-image-1 on input-images per min: Limit 5, Used 5. Please try again in 1.5s.", 1.5),
        ("Please try again in 200ms.", 0.2),
        ("Please try again in 1m30.5s.", 90.5),
        ("Please retry in 35.142s.", 35.142),
        ("Request was throttled. Your rate limit resets in ~30s.", 30),
        ("Please wait 5 seconds", 5),
        ("Retry after 20 sec", 20),
        ("TRY AGAIN IN 2 MINUTES", 120),
        ("Try again. If that fails, try again in 7 s.", 7),
        ("try again in 9999999 seconds", DAY.total_seconds()),
    ],
)
def test_words_name_a_pause(text: str, seconds: float) -> None:
    assert retry_after({}, text) == timedelta(seconds=seconds)
    assert retry_after({}, text.encode()) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "Please try again later.", "12s", "wait", "retry in a while", "entry in 12s"])
def test_other_words_name_none(text: str) -> None:
    assert retry_after({}, text) is None


def test_the_header_counts_more_than_the_words() -> None:
    assert retry_after({"retry-after": "3"}, "Please try again in 12s.") == timedelta(seconds=3)
    assert retry_after({"retry-after": "soon"}, "Please try again in 12s.") == timedelta(seconds=12)


@pytest.mark.parametrize("unit", ["try again in ", "retry", " ", "9", "wait ~", "{", "a://"])
def test_a_long_text_costs_no_time(unit: str) -> None:
    text = unit * (1_000_000 // len(unit))
    started = time.process_time()
    retry_after({"retry-after": text}, text)
    assert time.process_time() - started < 1


@given(st.text() | st.binary())
def test_any_text_gives_a_pause_of_at_most_a_day(text: str | bytes) -> None:
    pause = retry_after({}, text)
    assert pause is None or timedelta(0) <= pause <= DAY
