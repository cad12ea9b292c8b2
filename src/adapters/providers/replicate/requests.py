"""The requests to Replicate: predictions, the files that they use, and questions about key and models.

Facts are from Replicate's documentation ("HTTP API", "Create a prediction", "Set deadlines for predictions").
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from math import floor
from typing import Any

from ....core.domain.media import MIME_EXTENSIONS, Picture
from ...http_client.json_body import JsonBody
from ...http_client.messages import HttpRequest, Upload
from ..wire import seconds_left

SERVICE_URL = "https://api.replicate.com/v1"

_MIN_DEADLINE_SECONDS = 5
"""The service takes no shorter `Cancel-After`."""


def create(url: str, key: str, model: str, fields: Mapping[str, Any], *, until: datetime, wait: int = 0) -> HttpRequest:
    """Ask for a prediction. It is cancelled at the service when the time is over, also where nobody can say so.

    With `wait` the service holds its answer for so many seconds, or until the prediction has ended.
    """
    left = floor(seconds_left(until))
    headers = {"Content-Type": "application/json"}
    if left >= _MIN_DEADLINE_SECONDS:
        headers["Cancel-After"] = f"{left}s"
    if (held := min(wait, left)) > 0:
        headers["Prefer"] = f"wait={held}"
    if ":" in model:
        path, body = "predictions", {"version": model, "input": fields}
    else:
        path, body = f"models/{model}/predictions", {"input": fields}
    return HttpRequest(method="POST", url=f"{url}/{path}", headers={**_key(key), **headers}, body=JsonBody(body))


def get(url: str, key: str, id: str) -> HttpRequest:
    """Ask for the state of a prediction."""
    return HttpRequest(method="GET", url=f"{url}/predictions/{id}", headers=_key(key))


def cancel(url: str, key: str, id: str) -> HttpRequest:
    """Cancel a prediction."""
    return HttpRequest(method="POST", url=f"{url}/predictions/{id}/cancel", headers=_key(key))


def upload(url: str, key: str, picture: Picture, name: str) -> HttpRequest:
    """Upload a picture for predictions of this account."""
    file = Upload("content", f"{name}.{MIME_EXTENSIONS[picture.mime]}", picture.data, picture.mime)
    return HttpRequest(method="POST", url=f"{url}/files", headers=_key(key), uploads=(file,))


def delete_file(url: str, key: str, id: str) -> HttpRequest:
    """Delete an uploaded picture."""
    return HttpRequest(method="DELETE", url=f"{url}/files/{id}", headers=_key(key))


def account(url: str, key: str) -> HttpRequest:
    """Ask whose key this is."""
    return HttpRequest(method="GET", url=f"{url}/account", headers=_key(key))


def describe(url: str, key: str, model: str) -> HttpRequest:
    """Ask for a model, or for a version of one."""
    name, _, version = model.partition(":")
    path = f"models/{name}/versions/{version}" if version else f"models/{name}"
    return HttpRequest(method="GET", url=f"{url}/{path}", headers=_key(key))


def _key(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}
