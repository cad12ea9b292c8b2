"""OpenAI's API through its SDK: the requests that the provider `openai` makes.

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
from ....core.ports.provider import Down, ProviderError, ProviderResult, Retryable
from ..sdk import called, error_from_transport, scrubbed, seconds_left
from .errors import error_from_status

if TYPE_CHECKING:
    from .settings import OpenAISettings

SERVICE_URL = "https://api.openai.com/v1"


def make_api(key: str, *, base_url: str | None, http: httpx2.AsyncClient) -> OpenAIApi:
    """The API at its own address or another one, with this key."""
    return OpenAIApi(key, base_url=base_url or SERVICE_URL, http=http)


class OpenAIApi:
    """OpenAI's API with one key. Raises only what a Provider may raise; retries nothing itself."""

    def __init__(self, key: str, *, base_url: str, http: httpx2.AsyncClient) -> None:
        self._key = key
        self._client = openai.AsyncOpenAI(
            api_key=key,
            base_url=base_url,
            max_retries=0,
            http_client=http,
            # Set again here: OPENAI_CUSTOM_HEADERS of the environment would override it otherwise.
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
        response = await called(
            call, until=until, to_error=lambda error: self._to_provider_error(error, settings.model)
        )
        if not isinstance(response, ImagesResponse):
            # The SDK passes on whatever is not a JSON object.
            raise Down("OpenAI answered with something other than its API's answer.")
        return await called(
            self._result(response, settings.model),
            until=until,
            to_error=lambda error: self._to_provider_error(error, settings.model),
        )

    async def models(self, *, until: datetime) -> frozenset[str]:
        """The names of the models that this key may use; the service lists them on one page."""
        page = await called(
            self._listed(until), until=until, to_error=lambda error: self._to_provider_error(error, None)
        )
        if not page:
            raise Down("OpenAI answered with an empty list of models.")
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
        # The SDK does not validate answers: keep only values of the expected type.
        remarks: dict[str, Any] = {
            "model": scrubbed(model, secret=self._key),
            "size": scrubbed(response.size, secret=self._key),
            "quality": scrubbed(response.quality, secret=self._key),
            "response_id": scrubbed(response._request_id, secret=self._key),
            "usage": {name: count for name, count in counts.items() if isinstance(count, int)},
        }
        return {name: value for name, value in remarks.items() if value}

    def _to_provider_error(self, error: Exception, model: str | None) -> ProviderError:
        """Convert an exception of the SDK. Only its type and the service's scrubbed words are kept."""
        if isinstance(error, openai.APIStatusError):
            headers = {name.lower(): value for name, value in error.response.headers.items()}
            return error_from_status(error.status_code, error.body, headers, model=model, secret=self._key)
        if isinstance(error, openai.APITimeoutError):
            return Down("OpenAI did not answer in time.")
        if isinstance(error, openai.APIConnectionError):
            kind = type(error.__cause__ or error).__name__
            return Down(f"OpenAI cannot be reached or closed the connection ({kind}).")
        if shared := error_from_transport(error):
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
