"""The settings of the Gemini operations."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

DEFAULT_MODEL = "gemini-3.1-flash-image"


# The image models' documentation names these; a model that does not know one of them refuses the request.
AspectRatio = Literal[
    "1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9", "1:4", "4:1", "1:8", "8:1"
]


ImageSize = Literal["1K", "2K", "4K"]


_PROMPT_CHARACTERS = 16_000


class GeminiSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of every operation in addition to its prompt."""

    model: Annotated[
        str,
        Meta(
            max_length=128,
            # It becomes part of a path. (Python's $ also stands before a last line break.)
            pattern=r"^(models/|tunedModels/)?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*(?!\n)$",
            title="Model",
            description="Name of an image model of the Gemini API. Names change often; any is accepted here.",
        ),
    ] = DEFAULT_MODEL
    aspect_ratio: Annotated[
        AspectRatio | None,
        Meta(title="Aspect ratio", description="Shape of the picture; without it, the shape of the photo."),
    ] = None
    image_size: Annotated[
        ImageSize | None,
        Meta(title="Size", description="Resolution of the picture; without it, the model's own default."),
    ] = None
    temperature: Annotated[
        Annotated[float, Meta(ge=0, le=2)] | None,
        Meta(title="Temperature", description="How freely the model varies; without it, the model's own default."),
    ] = None


class EditSettings(GeminiSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A photo changed as a prompt says."""

    prompt: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=_PROMPT_CHARACTERS,
            title="Prompt",
            description="What is to become of the photo. The model sees the photo first, then this text.",
        ),
    ]


class StyleSettings(GeminiSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A photo in the style of a template picture."""

    prompt: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=_PROMPT_CHARACTERS,
            title="Prompt",
            description="The model sees the photo first, then the template `style`, then this text.",
        ),
    ] = (
        "The first image is a photo, the second shows a style. Redraw the photo in that style: take over its colours, "
        "brushwork, lighting and texture, but nothing that it depicts. Keep every person recognizable, with the same "
        "face, expression, pose and clothing, and keep the composition of the photo. Answer with the picture only."
    )


class IdentitySettings(GeminiSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The guest in place of the person in a template picture."""

    prompt: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=_PROMPT_CHARACTERS,
            title="Prompt",
            description="The model sees the photo first, then the template `face`, then this text.",
        ),
    ] = (
        "The first image is a photo of a guest, the second shows a scene with a person. Recreate the second image "
        "with the guest in place of that person: take over the guest's face, hair, skin tone and age, so that friends "
        "recognize the guest at once, but keep the pose, clothing, lighting and surroundings of the second image. "
        "Change nothing else of the scene. Answer with the picture only."
    )


GeminiPrompt = EditSettings | StyleSettings | IdentitySettings
"""The settings of any operation."""
