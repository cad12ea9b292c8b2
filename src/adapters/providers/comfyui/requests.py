"""The requests to ComfyUI's server. None has an `Origin`: it refuses those of other origins."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from ....core.domain.media import MIME_EXTENSIONS, Picture
from ...http_client.messages import HttpRequest, Upload
from .answers import OutputFile
from .settings import Auth, ComfyuiSettings

_JSON = {"Content-Type": "application/json"}


def auth_headers(settings: ComfyuiSettings, key: str | None) -> dict[str, str]:
    """Return the header that carries the key to the proxy; none without a key."""
    if key is None:
        return {}
    match settings.auth:
        case Auth.BEARER:
            return {"Authorization": f"Bearer {key}"}
        case Auth.BASIC:
            return {"Authorization": f"Basic {base64.b64encode(key.encode()).decode()}"}
        case Auth.HEADER:
            return {settings.key_header: key}


class Requests:
    """Makes the requests to one server, with the headers of its proxy."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        self._url = url
        self._headers = headers

    def upload(self, picture: Picture, name: str) -> HttpRequest:
        """Store a picture among the temporary files."""
        filename = f"{name}.{MIME_EXTENSIONS[picture.mime]}"
        return HttpRequest(
            method="POST",
            url=f"{self._url}/upload/image",
            headers=self._headers,
            fields={"type": "temp"},
            uploads=(Upload("image", filename, picture.data, picture.mime),),
        )

    def submit(self, graph: Mapping[str, Any], *, prompt_id: str, client_id: str) -> HttpRequest:
        """Queue a workflow under an id of ours. Some versions have no outputs for work without a client id."""
        return self._post("/prompt", {"prompt": graph, "client_id": client_id, "prompt_id": prompt_id})

    def queue(self) -> HttpRequest:
        """Ask for the jobs that run and wait."""
        return self._get("/queue")

    def history(self, prompt_id: str) -> HttpRequest:
        """Ask for a job that has ended."""
        return self._get(f"/history/{quote(prompt_id, safe='')}")

    def view(self, file: OutputFile) -> HttpRequest:
        """Ask for the bytes of a picture."""
        query = {"filename": file.filename, "subfolder": file.subfolder, "type": file.type}
        return self._get(f"/view?{urlencode(query)}")

    def cancel(self, prompt_id: str) -> HttpRequest:
        """Cancel a job, whether it waits or runs; servers before 0.26 do not have this."""
        return self._post(f"/api/jobs/{quote(prompt_id, safe='')}/cancel", {})

    def delete_from_queue(self, prompt_id: str) -> HttpRequest:
        """Remove a job that waits."""
        return self._post("/queue", {"delete": [prompt_id]})

    def interrupt(self, prompt_id: str) -> HttpRequest:
        """Interrupt a job that runs; servers before 0.3.57 ignore the id and interrupt whatever runs."""
        return self._post("/interrupt", {"prompt_id": prompt_id})

    def delete_from_history(self, prompt_id: str) -> HttpRequest:
        """Remove what is remembered of an ended job, with the texts of its guest."""
        return self._post("/history", {"delete": [prompt_id]})

    def system_stats(self) -> HttpRequest:
        """Ask for version and devices."""
        return self._get("/system_stats")

    def object_info(self, class_type: str) -> HttpRequest:
        """Ask for the inputs of a class of nodes, with the files that they can name."""
        return self._get(f"/object_info/{quote(class_type, safe='')}")

    def _get(self, path: str) -> HttpRequest:
        return HttpRequest(method="GET", url=self._url + path, headers=self._headers)

    def _post(self, path: str, document: Mapping[str, Any]) -> HttpRequest:
        headers = {**self._headers, **_JSON}
        return HttpRequest(method="POST", url=self._url + path, headers=headers, body=msgspec.json.encode(document))
