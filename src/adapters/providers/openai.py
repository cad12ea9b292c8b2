"""The `openai` provider: photos edited by OpenAI's image models, through the images edit endpoint of its own SDK.

The SDK is loaded at the first call; what is said to it and what its answers mean is in `openai_api`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from msgspec import Meta, Struct

from ...core.errors import InvalidSettings
from ...core.fields import parse_fields
from ...core.media import PictureNeeds
from ...core.ports.providers import (
    OperationInfo,
    ProviderContext,
    ProviderInfo,
    ProviderRequest,
    ProviderResult,
    Rejected,
)
from ...core.slots import RouteEntry
from .schemas import settings_schema
from .sdk import Connection, diagnosed

if TYPE_CHECKING:
    from .openai_api import OpenAIApi

DEFAULT_MODEL = "gpt-image-2.5-flare"

_OPERATION = "image_edit"
_NEEDS = PictureNeeds(
    mimes=("image/jpeg", "image/png", "image/webp"),
    # "Less than 50MB" each (OpenAI API reference, "Create image edit").
    max_bytes=49_000_000,
    # The models make no larger picture than this, so more of a photo would only take longer to send.
    max_pixels=3840 * 2160,
)


class OpenAISettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A photo changed as a prompt says; limits and values as in the API reference of the images edit endpoint."""

    prompt: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=32_000,
            title="Prompt",
            description=(
                "What is to become of the photo. The model sees the photo first, then the slot's templates `face`, "
                "`reference` and `style`, those that there are, in this order."
            ),
        ),
    ]
    model: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=128,
            title="Model",
            description="Name of an image model. Names change often; any is accepted here.",
        ),
    ] = DEFAULT_MODEL
    size: Annotated[
        str,
        Meta(
            # Python's $ also stands before a last line break.
            pattern=r"^(auto|[1-9][0-9]{1,3}x[1-9][0-9]{1,3})(?!\n)$",
            title="Size",
            description=(
                "auto, 1024x1024, 1536x1024, 1024x1536, or WIDTHxHEIGHT in pixels, both divisible by 16, no side "
                "more than three times the other, where the model makes any size."
            ),
            examples=["auto", "1024x1024", "1536x1024", "1024x1536"],
        ),
    ] = "auto"
    quality: Annotated[
        Literal["auto", "low", "medium", "high", "xhigh", "max"],
        Meta(title="Quality", description="Better takes longer and costs more; not every model has xhigh and max."),
    ] = "auto"
    input_fidelity: Annotated[
        Literal["low", "high"] | None,
        Meta(
            title="Likeness",
            description="How closely faces of the photo are kept. Leave it out where the model does not have it.",
        ),
    ] = None
    output_format: Annotated[
        Literal["jpeg", "png", "webp"], Meta(title="File type", description="Type of the finished file.")
    ] = "jpeg"
    output_compression: Annotated[
        Annotated[int, Meta(ge=0, le=100)] | None,
        Meta(title="Compression", description="In percent, for jpeg and webp; without it, the service's own default."),
    ] = None
    background: Annotated[
        Literal["auto", "opaque", "transparent"] | None,
        Meta(title="Background", description="transparent needs png or webp as the file type."),
    ] = None


_INFO = ProviderInfo(
    id="openai",
    title="OpenAI",
    operations=(
        OperationInfo(
            id=_OPERATION,
            title="Edit by prompt",
            settings_schema=settings_schema(OpenAISettings),
            needs=_NEEDS,
            template_roles=("face", "reference", "style"),
            prompts=("prompt",),
        ),
    ),
    needs_key=True,
)


class OpenAIProvider:
    """A Provider that asks OpenAI's images edit endpoint, each call once."""

    def __init__(self, context: ProviderContext) -> None:
        self._connection: Connection[OpenAIApi] = Connection(context, module=".openai_api", service="OpenAI")

    @property
    def info(self) -> ProviderInfo:
        return _INFO

    def check_settings(self, operation_id: str, settings: Mapping[str, Any]) -> None:
        _checked(operation_id, settings)

    async def process(self, request: ProviderRequest) -> ProviderResult:
        """The finished picture, as Provider.process says; remarks name model, size, quality and tokens used."""
        try:
            settings = _checked(request.operation_id, request.settings)
        except InvalidSettings as error:
            raise Rejected(error.detail) from error
        templates = [picture for _, picture in sorted(request.templates.items())]
        api = await self._connection.api(until=request.until)
        return await api.edit(settings, [request.photo, *templates], until=request.until)

    async def diagnose(self, used: Collection[RouteEntry]) -> list[str]:
        """As Provider.diagnose says; asks for the list of models, for 10 seconds at most."""

        async def models(until: datetime) -> Collection[str]:
            api = await self._connection.api(until=until)
            return await api.models(until=until)

        return await diagnosed(models, used, provider_id=_INFO.id, default_model=DEFAULT_MODEL)

    async def close(self) -> None:
        """Close the connections."""
        await self._connection.close()


def _checked(operation_id: str, settings: Mapping[str, Any]) -> OpenAISettings:
    """The settings, which fit together too. InvalidSettings says what does not."""
    if operation_id != _OPERATION:
        detail = f"There is no operation {operation_id!r} here."
        raise InvalidSettings(detail, (("operation_id", detail),))
    parsed = parse_fields(OpenAISettings, settings)
    errors: list[tuple[str, str]] = []
    if parsed.background == "transparent" and parsed.output_format == "jpeg":
        errors.append(("background", "A transparent background needs png or webp as output_format."))
    if parsed.output_compression is not None and parsed.output_format == "png":
        errors.append(("output_compression", "Compression is for jpeg and webp, not for png."))
    if errors:
        told = "; ".join(f"{name}: {what}" for name, what in errors)
        raise InvalidSettings(f"The settings do not fit: {told}", tuple(errors))
    return parsed
