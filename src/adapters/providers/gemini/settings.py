"""The settings of the Gemini operations."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from msgspec import Meta, Struct

# The image models' documentation names these; a model that does not know one of them refuses the request.
AspectRatio = Literal[
    "1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9", "1:4", "4:1", "1:8", "8:1"
]


ImageSize = Literal["1K", "2K", "4K"]
IMAGE_SIZES: tuple[str, ...] = get_args(ImageSize)
"""The smallest first."""

# The values of the SDK's ThinkingLevel and ImageConfig.person_generation.
ThinkingLevel = Literal["minimal", "low", "medium", "high", "xhigh"]
PersonGeneration = Literal["allow_all", "allow_adult", "allow_none"]

OPTIONAL_SETTINGS = (
    "aspect_ratio",
    "image_size",
    "thinking_level",
    "person_generation",
    "seed",
    "temperature",
)
"""Settings that are sent only when set: not every model takes all of them."""


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
    ]
    aspect_ratio: Annotated[
        AspectRatio | None,
        Meta(title="Aspect ratio", description="Shape of the picture; without it, the shape of the photo."),
    ] = None
    image_size: Annotated[
        ImageSize | None,
        Meta(title="Size", description="Resolution of the picture; without it, the model's own default."),
    ] = None
    thinking_level: Annotated[
        ThinkingLevel | None,
        Meta(
            title="Thinking",
            description="How long the model plans the picture; more takes longer. Not every model has every level.",
        ),
    ] = None
    person_generation: Annotated[
        PersonGeneration | None,
        Meta(title="People", description="Which people the model may draw. Only with Vertex AI."),
    ] = None
    seed: Annotated[
        Annotated[int, Meta(ge=0, le=2_147_483_647)] | None,
        Meta(title="Seed", description="The same seed makes similar pictures; without it, each picture differs."),
    ] = None
    temperature: Annotated[
        Annotated[float, Meta(ge=0, le=2)] | None,
        Meta(
            title="Temperature",
            description="How freely the model varies. Deprecated by Google: newer models may refuse it.",
        ),
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
