"""When a service asks to be called again: the `Retry-After` header (RFC 9110, section 10.2.3), or a sentence."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, timedelta
from email.utils import parsedate_to_datetime

from ..system_clock import SystemClock

_SECONDS = re.compile(r"[0-9]+(\.[0-9]+)?")
_MAX_PAUSE = timedelta(days=1)
_MAX_CHARS = 64

_MAX_TEXT_CHARS = 2_000
_SENTENCE = re.compile(
    r"\b(?:try again|retry|retried|resets?|available(?: again)?|wait)\b(?: in| after| for)? ?~?"
    r"(?:(?P<minutes>[0-9]{1,5}) ?m(?:in(?:ute)?s?)?(?![a-z]) ?)?"
    r"(?:(?P<amount>[0-9]{1,7}(?:\.[0-9]{1,9})?) ?(?P<unit>ms|milliseconds?|s|secs?|seconds?)\b)?",
    re.IGNORECASE,
)
"""Seen: "Please try again in 12s.", "... in 1m30.5s", "... in 200ms" (OpenAI), "Please retry in 35.1s" (Gemini), "Your
rate limit resets in ~30s." (Replicate). All repetitions are bounded, so the search is linear."""


def retry_after(headers: Mapping[str, str], text: str | bytes = "") -> timedelta | None:
    """The pause that an answer asks for; None if it asks for none, or not in a form that is understood.

    By its `Retry-After` header, in seconds (some services send fractions) or as a date; else by what its `text` says,
    as in "Please try again in 12s.". At most a day is returned: no caller waits longer.
    """
    given = headers.get("retry-after", "")[:_MAX_CHARS].strip()
    if _SECONDS.fullmatch(given):
        return timedelta(seconds=min(float(given), _MAX_PAUSE.total_seconds()))
    try:
        moment = parsedate_to_datetime(given)
    except (ValueError, OverflowError):
        return _said(text)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(max(moment - SystemClock().now(), timedelta(0)), _MAX_PAUSE)


def _said(text: str | bytes) -> timedelta | None:
    start = text[:_MAX_TEXT_CHARS]
    for found in _SENTENCE.finditer(start.decode("utf-8", "replace") if isinstance(start, bytes) else start):
        minutes, amount, unit = found["minutes"], found["amount"], (found["unit"] or "").lower()
        if minutes is not None or amount is not None:
            seconds = float(amount or 0) / (1000 if unit.startswith("m") else 1)
            return min(timedelta(minutes=int(minutes or 0), seconds=seconds), _MAX_PAUSE)
    return None
