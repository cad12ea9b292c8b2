"""The requests to Gemini: a picture to be made, files to be kept for it, and the models.

Facts are from the Gemini API's reference (`models.generateContent`, `media.upload`, `files.delete`, `models.list`) and
Vertex AI's (`publishers.models.get`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from math import ceil
from typing import Any
from urllib.parse import quote

import msgspec

from ....core.domain.media import Picture
from ...http_client.json_body import JsonBody
from ...http_client.messages import HttpRequest
from ..wire import seconds_left
from .access import Access
from .settings import GeminiPrompt

_VERSION = "v1"
_MODELS_PER_PAGE = 1000
_JSON = {"Content-Type": "application/json"}


def generate(
    access: Access, settings: GeminiPrompt, pictures: Sequence[Picture], uris: Mapping[int, str], *, until: datetime
) -> HttpRequest:
    """Ask for a picture. `uris` says by position which pictures are uploaded; the others go along."""
    parts: list[dict[str, Any]] = [
        {"fileData": {"mimeType": picture.mime, "fileUri": uris[position]}}
        if position in uris
        else {"inlineData": {"mimeType": picture.mime, "data": picture.data}}
        for position, picture in enumerate(pictures)
    ]
    body = {
        "contents": [{"role": "user", "parts": [*parts, {"text": settings.prompt}]}],
        "generationConfig": _generation_config(settings),
    }
    if access.on_vertex:
        name = settings.model.rpartition("/")[2]
    else:
        name = settings.model if "/" in settings.model else f"models/{settings.model}"
    return HttpRequest(
        method="POST",
        url=f"{access.models_url}/{name}:generateContent",
        headers={**access.headers, **_JSON, "X-Server-Timeout": str(max(1, ceil(seconds_left(until))))},
        body=JsonBody(body),
    )


def start_upload(url: str, key: str, picture: Picture, name: str) -> HttpRequest:
    """Announce a file under a name of ours; the answer's headers say where it goes."""
    size = str(len(picture.data))
    file = {"name": f"files/{name}", "mimeType": picture.mime, "sizeBytes": size}
    headers = {
        "X-Goog-Upload-Protocol": "resumable",
        "X-Goog-Upload-Command": "start",
        "X-Goog-Upload-Header-Content-Length": size,
        "X-Goog-Upload-Header-Content-Type": picture.mime,
    }
    return HttpRequest(
        method="POST",
        url=f"{url}/upload/{_VERSION}/files",
        headers={**_key(key), **_JSON, **headers},
        body=msgspec.json.encode({"file": file}),
    )


def send_upload(upload_url: str, picture: Picture) -> HttpRequest:
    """Send the whole file to where its announcement was answered to. That address is the right to do so: no key."""
    headers = {"X-Goog-Upload-Command": "upload, finalize", "X-Goog-Upload-Offset": "0"}
    return HttpRequest(method="POST", url=upload_url, headers=headers, body=picture.data)


def delete_file(url: str, key: str, name: str) -> HttpRequest:
    """Delete an uploaded file."""
    return HttpRequest(method="DELETE", url=f"{url}/{_VERSION}/files/{name}", headers=_key(key))


def list_models(access: Access, *, page: str | None) -> HttpRequest:
    """Ask the Gemini API for a page of the list of models."""
    token = "" if page is None else f"&pageToken={quote(page, safe='')}"
    return HttpRequest(
        method="GET", url=f"{access.list_url}?pageSize={_MODELS_PER_PAGE}{token}", headers=access.headers
    )


def get_model(access: Access, model: str) -> HttpRequest:
    """Ask Vertex AI for one model."""
    name = quote(model.rpartition("/")[2], safe="")
    return HttpRequest(method="GET", url=f"{access.list_url}/{name}", headers=access.headers)


def _key(key: str) -> dict[str, str]:
    return {"X-Goog-Api-Key": key}


def _generation_config(settings: GeminiPrompt) -> dict[str, Any]:
    config: dict[str, Any] = {"responseModalities": ["IMAGE"]}
    people = settings.person_generation.upper() if settings.person_generation is not None else None
    image = {"aspectRatio": settings.aspect_ratio, "imageSize": settings.image_size, "personGeneration": people}
    if chosen := {name: value for name, value in image.items() if value is not None}:
        config["imageConfig"] = chosen
    if settings.thinking_level is not None:
        config["thinkingConfig"] = {"thinkingLevel": settings.thinking_level.upper()}
    if settings.seed is not None:
        config["seed"] = settings.seed
    if settings.temperature is not None:
        config["temperature"] = settings.temperature
    return config
