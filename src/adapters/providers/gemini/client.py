"""The Gemini API through google-genai: the requests that the provider `gemini` makes.

Loading this module loads the SDK, which takes about a second.
"""

from __future__ import annotations

import io
import ssl
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx2
import pydantic
from google import genai
from google.genai import errors, types

from ....core.domain.media import Picture
from ....core.domain.outside_text import MAX_ITEMS, cut
from ....core.ports.provider import Down, NotConfigured, ProviderError, ProviderResult, Rejected, Retryable
from ...system_clock import SYSTEM_CLOCK
from ..sdk import called, error_from_transport, scrubbed, seconds_left
from ..sdk_http import UploadBroken
from .errors import blocked, error_from_status, without_picture

if TYPE_CHECKING:
    from .settings import EditSettings, IdentitySettings, StyleSettings

SERVICE_URL = "https://generativelanguage.googleapis.com/"
API_VERSION = "v1"

_DELETION_TIME = timedelta(seconds=15)
_MODEL_PAGES = 10
_MODELS_PER_PAGE = 1000


def make_api(key: str, *, base_url: str | None, http: httpx2.AsyncClient) -> GeminiApi:
    """The API at its own address or another one, with this key."""
    return GeminiApi(key, base_url=base_url or SERVICE_URL, http=http)


class GeminiApi:
    """The Gemini API with one key. Raises only what a Provider may raise; retries nothing itself."""

    def __init__(self, key: str, *, base_url: str, http: httpx2.AsyncClient) -> None:
        self._key = key
        # Set everything that the SDK would otherwise take from the environment: backend, address, version, mode.
        self._client = genai.Client(
            vertexai=False,
            api_key=key,
            debug_config=genai.client.DebugConfig(client_mode="api"),
            http_options=types.HttpOptions(
                base_url=base_url,
                api_version=API_VERSION,
                httpx_async_client=http,
                # Never used; passed so that the SDK does not create one with settings of the environment.
                httpx_client=httpx2.Client(transport=httpx2.MockTransport(_no_blocking_calls), trust_env=False),
                async_client_args={"ssl": ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)},
            ),
        )

    def __repr__(self) -> str:
        return "GeminiApi()"

    async def generate(
        self,
        settings: EditSettings | StyleSettings | IdentitySettings,
        pictures: Sequence[Picture],
        uris: Mapping[int, str],
        *,
        until: datetime,
    ) -> ProviderResult:
        """The model's picture. `uris` says by position which pictures are uploaded; the others go along."""
        parts = [
            types.Part.from_uri(file_uri=uris[position], mime_type=picture.mime)
            if position in uris
            else types.Part.from_bytes(data=picture.data, mime_type=picture.mime)
            for position, picture in enumerate(pictures)
        ]
        config = types.GenerateContentConfig(
            response_modalities=["IMAGE"],
            image_config=_image_config(settings),
            temperature=settings.temperature,
            # Each of these would make the SDK retry by itself.
            automatic_continuation=False,
            automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
            http_options=_time_limit(until),
        )
        call = self._client.aio.models.generate_content(
            model=settings.model,
            contents=types.Content(role="user", parts=[*parts, types.Part.from_text(text=settings.prompt)]),
            config=config,
        )
        response = await called(
            call, until=until, to_error=lambda error: self._to_provider_error(error, settings.model)
        )
        return self._result(response, settings.model)

    async def upload(self, picture: Picture, name: str, *, until: datetime) -> str:
        """Upload a picture under a name of ours; its URI at the service."""
        config = types.UploadFileConfig(name=name, mime_type=picture.mime, http_options=_time_limit(until))
        call = self._client.aio.files.upload(file=io.BytesIO(picture.data), config=config)
        file = await called(call, until=until, to_error=lambda error: self._to_provider_error(error, None))
        if not file.uri or (file.state or types.FileState.ACTIVE) is not types.FileState.ACTIVE:
            raise Retryable("Gemini accepted an uploaded picture but has not made it ready.")
        return file.uri

    async def delete(self, name: str) -> str | None:
        """Delete an upload; what is wrong where that failed. A file that never arrived counts as deleted."""
        until = SYSTEM_CLOCK.now() + _DELETION_TIME
        config = types.DeleteFileConfig(http_options=_time_limit(until))
        try:
            await called(
                self._client.aio.files.delete(name=name, config=config),
                until=until,
                to_error=lambda error: _Gone("gone") if _is_gone(error) else self._to_provider_error(error, None),
            )
        except _Gone:
            return None
        except ProviderError as error:
            return error.reason
        return None

    async def models(self, *, until: datetime) -> frozenset[str]:
        """The names of the models, each with and without `models/`; at most 10 pages."""
        names: set[str] = set()
        token: str | None = None
        for _ in range(_MODEL_PAGES):
            config = types.ListModelsConfig(
                page_size=_MODELS_PER_PAGE, page_token=token, http_options=_time_limit(until)
            )
            page = await called(
                self._client.aio.models.list(config=config),
                until=until,
                to_error=lambda error: self._to_provider_error(error, None),
            )
            names |= {model.name for model in page.page if model.name}
            token = page.config.get("page_token")
            if not token:
                break
        if not names:
            raise Down("Gemini answered with an empty list of models.")
        return frozenset(names | {name.removeprefix("models/") for name in names})

    def _result(self, response: types.GenerateContentResponse, model: str) -> ProviderResult:
        """The picture of an answer; raises what its absence means."""
        feedback = response.prompt_feedback
        if feedback is not None and feedback.block_reason is not None:
            raise blocked(self._scrubbed(feedback.block_reason.value))
        if not response.candidates and response.usage_metadata is None and response.response_id is None:
            raise Down("Gemini answered with something other than its API's answer.")
        candidates = response.candidates or []
        reason = next((each.finish_reason.value for each in candidates if each.finish_reason is not None), "")
        no_picture = without_picture(self._scrubbed(reason), self._words(candidates))
        if isinstance(no_picture, Rejected):
            raise no_picture
        drawn = [blob.data for blob in _pictures(candidates) if blob.data]
        if not drawn:
            raise no_picture
        return ProviderResult(drawn[-1], self._remarks(response, model, reason))

    def _remarks(self, response: types.GenerateContentResponse, model: str, reason: str) -> dict[str, Any]:
        usage = response.usage_metadata
        counts = (
            {}
            if usage is None
            else {
                "prompt_tokens": usage.prompt_token_count,
                "output_tokens": usage.candidates_token_count,
                "thought_tokens": usage.thoughts_token_count,
                "total_tokens": usage.total_token_count,
            }
        )
        remarks: dict[str, Any] = {
            "model": self._scrubbed(response.model_version or model),
            "finish_reason": self._scrubbed(reason),
            "response_id": self._scrubbed(response.response_id),
            "usage": {name: count for name, count in counts.items() if count is not None},
        }
        return {name: value for name, value in remarks.items() if value}

    def _words(self, candidates: Sequence[types.Candidate]) -> str:
        """What the model says instead of returning a picture (the SDK drops `finishMessage`)."""
        texts = (cut(part.text) for part in _parts(candidates)[:MAX_ITEMS] if part.text and not part.thought)
        return self._scrubbed(" ".join(texts))

    def _to_provider_error(self, error: Exception, model: str | None) -> ProviderError:
        """Convert an exception of the SDK. Only its type and the service's scrubbed words are kept."""
        if isinstance(error, errors.APIError):
            return error_from_status(error.code, error.details, _headers(error), model=model, secret=self._key)
        if isinstance(error, UploadBroken):
            return self._upload_error(error)
        if isinstance(error, errors.UnknownApiResponseError):
            return Down("Gemini answered with something other than JSON.")
        if shared := error_from_transport(error):
            return shared
        if isinstance(error, pydantic.ValidationError):
            return Retryable(f"Gemini's answer has another shape than its API has ({error.error_count()} differences).")
        return Retryable(f"Gemini's answer cannot be read ({type(error).__name__}).")

    def _upload_error(self, error: UploadBroken) -> ProviderError:
        if error.status in (401, 403):
            return NotConfigured(f"Gemini refuses the key for an upload ({error.status}).")
        message = f"Gemini answered {error.status} to an upload."
        return Down(message) if error.status >= 500 else Retryable(message)

    def _scrubbed(self, text: Any) -> str:
        return scrubbed(text, secret=self._key)


class _Gone(ProviderError):
    """The file does not exist (any more)."""


def _is_gone(error: Exception) -> bool:
    # The service answers 403 for a file that does not exist, so as not to reveal other accounts' files.
    return isinstance(error, errors.APIError) and error.code in (403, 404)


def _pictures(candidates: Sequence[types.Candidate]) -> list[types.Blob]:
    """The pictures of an answer that are no drafts (the parts of its thoughts)."""
    blobs = [part.inline_data for part in _parts(candidates) if part.inline_data is not None and not part.thought]
    return [blob for blob in blobs if (blob.mime_type or "image/").startswith("image/")]


def _parts(candidates: Sequence[types.Candidate]) -> list[types.Part]:
    contents = [candidate.content for candidate in candidates if candidate.content is not None]
    return [part for content in contents for part in content.parts or []]


def _headers(error: errors.APIError) -> dict[str, str]:
    headers = getattr(error.response, "headers", {})
    return {str(name).lower(): str(value) for name, value in headers.items()}


def _image_config(settings: EditSettings | StyleSettings | IdentitySettings) -> types.ImageConfig | None:
    if settings.aspect_ratio is None and settings.image_size is None:
        return None
    return types.ImageConfig(aspect_ratio=settings.aspect_ratio, image_size=settings.image_size)


def _time_limit(until: datetime) -> types.HttpOptions:
    # The SDK takes zero for no limit at all.
    return types.HttpOptions(timeout=max(1, int(seconds_left(until) * 1000)))


def _no_blocking_calls(request: httpx2.Request) -> httpx2.Response:
    raise AssertionError("the SDK made a blocking call")
