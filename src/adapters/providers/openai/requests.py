"""The requests to OpenAI's API: a picture to be edited, and the list of models.

Facts are from OpenAI's API reference ("Create image edit", "List models").
"""

from __future__ import annotations

from collections.abc import Sequence

from ....core.domain.media import MIME_EXTENSIONS, Picture
from ...http_client.messages import HttpRequest, Upload
from .access import Access
from .settings import OpenAISettings


def edit(access: Access, settings: OpenAISettings, pictures: Sequence[Picture]) -> HttpRequest:
    """Ask for the picture of these pictures, the photo first."""
    fields = {
        "prompt": settings.prompt,
        "model": settings.model,
        "n": "1",
        "size": settings.size,
        "quality": settings.quality,
        "output_format": settings.output_format,
    }
    optional = {
        "complexity": settings.complexity,
        "input_fidelity": settings.input_fidelity,
        "output_compression": settings.output_compression,
        "background": settings.background,
    }
    fields |= {name: str(value) for name, value in optional.items() if value is not None}
    uploads = tuple(_upload(position, picture) for position, picture in enumerate(pictures))
    return HttpRequest(method="POST", url=access.edits_url, headers=access.headers, fields=fields, uploads=uploads)


def list_models(access: Access) -> HttpRequest:
    """Ask for the models that this key may use; the service lists them on one page."""
    return HttpRequest(method="GET", url=access.models_url, headers=access.headers)


def _upload(position: int, picture: Picture) -> Upload:
    name = "photo" if position == 0 else f"template-{position}"
    return Upload("image[]", f"{name}.{MIME_EXTENSIONS[picture.mime]}", picture.data, picture.mime)
