"""The requests to fal's queue: work to be queued, its state, its result, and its end.

Facts are from fal's documentation ("Queue", "Platform headers", "Data retention & storage", "Cancel a request").
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from ...http_client.json_body import JsonBody
from ...http_client.messages import HttpRequest
from ..wire import seconds_left

SERVICE_URL = "https://queue.fal.run"
DOMAINS = ("fal.run", "falrun.com")
"""Where answers of the service may lead: the queue, and its backup."""

_MIN_TIMEOUT_SECONDS = 1.1
"""The service wants more than one second."""

_KEPT_SECONDS = 3600
"""How long the service keeps the finished picture; without this, for good. It is fetched within seconds."""

_NO_ID = "00000000-0000-0000-0000-000000000000"


def submit(url: str, key: str, model: str, fields: dict[str, Any], *, until: datetime) -> HttpRequest:
    """Queue work. It must begin in the time that is left, is not retried there, and leaves nothing behind."""
    left = f"{max(_MIN_TIMEOUT_SECONDS, seconds_left(until)):.1f}"
    headers = {
        "Content-Type": "application/json",
        "X-Fal-Request-Timeout": left,
        "X-Fal-Request-Start-Timeout": left,  # its newer name
        "X-Fal-No-Retry": "1",
        "X-Fal-Store-IO": "0",
        "X-Fal-Object-Lifecycle-Preference": msgspec.json.encode(
            {"expiration_duration_seconds": _KEPT_SECONDS}
        ).decode(),
    }
    return HttpRequest(method="POST", url=f"{url}/{model}", headers={**_key(key), **headers}, body=JsonBody(fields))


def look(url: str, key: str) -> HttpRequest:
    """Ask for the state of work or for its result, at the address that the service gave for it."""
    return HttpRequest(method="GET", url=url, headers=_key(key))


def cancel(url: str, key: str) -> HttpRequest:
    """Cancel work, at the address that the service gave for it."""
    return HttpRequest(method="PUT", url=url, headers=_key(key))


def look_for_nothing(url: str, key: str, model: str) -> HttpRequest:
    """Ask for the state of work that does not exist: what comes back says whether the key is good."""
    owner, app = model.split("/")[:2]
    return look(f"{url}/{owner}/{app}/requests/{_NO_ID}/status", key)


def _key(key: str) -> dict[str, str]:
    return {"Authorization": f"Key {key}"}
