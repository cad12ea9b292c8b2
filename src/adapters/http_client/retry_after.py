"""The `Retry-After` header (RFC 9110, section 10.2.3)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, timedelta
from email.utils import parsedate_to_datetime

from ..system_clock import SystemClock

_SECONDS = re.compile(r"[0-9]+(\.[0-9]+)?")
_MAX_PAUSE = timedelta(days=1)
_MAX_CHARS = 64


def retry_after(headers: Mapping[str, str]) -> timedelta | None:
    """The pause that the headers of an answer ask for, in seconds or as a date; None if it is missing or invalid.

    Fractions of a second are accepted, as some services send them. At most a day is returned: no caller waits longer.
    """
    text = headers.get("retry-after", "").strip()[:_MAX_CHARS]
    if _SECONDS.fullmatch(text):
        return timedelta(seconds=min(float(text), _MAX_PAUSE.total_seconds()))
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(max(moment - SystemClock().now(), timedelta(0)), _MAX_PAUSE)
