"""OpenAI's API through its SDK: one request at a time, as the provider `openai` needs them.

Loading this module loads the SDK, which takes about half a second.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import httpx2
import openai
import pydantic
from openai.types import ImagesResponse

from ....core.domain.media import MIME_EXTENSIONS, Picture
from ....core.ports.provider import (
    Down,
    ProviderError,
    ProviderResult,
    Retryable,
)
from ..sdk import (
    called,
    said,
    seconds_left,
    transport_trouble,
)
from .errors import status_trouble

if TYPE_CHECKING:
    from .settings import OpenAISettings

SERVICE_URL = "https://api.openai.com/v1"


def make_api(key: str, *, base_url: str | None, http: httpx2.AsyncClient) -> OpenAIApi:
    """The API at its own address or another one, with this key."""
    return OpenAIApi(key, base_url=base_url or SERVICE_URL, http=http)


class OpenAIApi:
    """Raises what a Provider may raise, and nothing else but cancellation. Nothing is tried twice."""

    def __init__(self, key: str, *, base_url: str, http: httpx2.AsyncClient) -> None:
        self._key = key
        self._client = openai.AsyncOpenAI(
            api_key=key,
            base_url=base_url,
            max_retries=0,
            http_client=http,
            # Said here once more: else one of the variable OPENAI_CUSTOM_HEADERS would stand in its place.
            default_headers={"Authorization": f"Bearer {key}"},
        )

    def __repr__(self) -> str:
        return "OpenAIApi()"

    async def edit(self, settings: OpenAISettings, pictures: Sequence[Picture], *, until: datetime) -> ProviderResult:
        """The model's picture of these pictures, the photo first."""
        call = self._client.images.edit(
            image=[_file(position, picture) for position, picture in enumerate(pictures)],
            prompt=settings.prompt,
            model=settings.model,
            n=1,
            size=settings.size,
            quality=settings.quality,
            output_format=settings.output_format,
            input_fidelity=settings.input_fidelity or openai.omit,
            output_compression=openai.omit if settings.output_compression is None else settings.output_compression,
            background=settings.background or openai.omit,
            timeout=_seconds(until),
        )
        response = await called(call, until=until, trouble=lambda error: self._trouble(error, settings.model))
        if not isinstance(response, ImagesResponse):
            # The SDK hands on what is no JSON object as it stands.
            raise Down("OpenAI answered with something else than an answer of its API.")
        return await called(
            self._result(response, settings.model),
            until=until,
            trouble=lambda error: self._trouble(error, settings.model),
        )

    async def models(self, *, until: datetime) -> frozenset[str]:
        """The names of the models that this key may use; the service lists them on one page."""
        page = await called(self._listed(until), until=until, trouble=lambda error: self._trouble(error, None))
        if not page:
            raise Down("OpenAI answered with a list of models that is empty.")
        return page

    async def _listed(self, until: datetime) -> frozenset[str]:
        page = await self._client.models.list(timeout=_seconds(until))
        return frozenset(model.id for model in page.data)

    async def _result(self, response: ImagesResponse, model: str) -> ProviderResult:
        """The picture of an answer. Retryable where there is none, or no base64."""
        encoded = [image.b64_json for image in response.data or [] if image.b64_json]
        if not encoded:
            raise Retryable("OpenAI answered without a picture.")
        data = await asyncio.to_thread(_decoded, encoded[0])
        if not data:
            raise Retryable("OpenAI answered with a picture that is not base64.")
        return ProviderResult(data, self._remarks(response, model))

    def _remarks(self, response: ImagesResponse, model: str) -> dict[str, Any]:
        usage = response.usage
        counts = (
            {}
            if usage is None
            else {
                "input_tokens": usage.input_tokens,
                "output_tokens": usage.output_tokens,
                "total_tokens": usage.total_tokens,
            }
        )
        # The SDK does not check what it gets: remarks take only what is of the type that it should be.
        remarks: dict[str, Any] = {
            "model": said(model, secret=self._key),
            "size": said(response.size, secret=self._key),
            "quality": said(response.quality, secret=self._key),
            "response_id": said(response._request_id, secret=self._key),
            "usage": {name: count for name, count in counts.items() if isinstance(count, int)},
        }
        return {name: value for name, value in remarks.items() if value}

    def _trouble(self, error: Exception, model: str | None) -> ProviderError:
        """What an exception of the SDK means. Only its kind and the service's own scrubbed words are told."""
        if isinstance(error, openai.APIStatusError):
            headers = {name.lower(): value for name, value in error.response.headers.items()}
            return status_trouble(error.status_code, error.body, headers, model=model, secret=self._key)
        if isinstance(error, openai.APITimeoutError):
            return Down("OpenAI did not answer in time.")
        if isinstance(error, openai.APIConnectionError):
            kind = type(error.__cause__ or error).__name__
            return Down(f"OpenAI cannot be reached, or it broke off ({kind}).")
        if shared := transport_trouble(error):
            return shared
        if isinstance(error, (openai.APIResponseValidationError, pydantic.ValidationError)):
            return Retryable("OpenAI's answer has another shape than its API has.")
        return Retryable(f"OpenAI's answer cannot be read ({type(error).__name__}).")


def _file(position: int, picture: Picture) -> tuple[str, bytes, str]:
    name = "photo" if position == 0 else f"template-{position}"
    return f"{name}.{MIME_EXTENSIONS[picture.mime]}", picture.data, picture.mime


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _seconds(until: datetime) -> float:
    return max(0.001, seconds_left(until))
