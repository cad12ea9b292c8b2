"""The settings of the OpenAI operation."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

OPTIONAL_SETTINGS = ("size", "quality", "complexity", "input_fidelity", "output_compression", "background")
"""Settings that not every model takes."""


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
            description="Name of an image model (on Azure: of a deployment). Names change often; any is accepted here.",
        ),
    ]
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
    complexity: Annotated[
        Literal["low", "medium", "high"] | None,
        Meta(
            title="Planning",
            description="How much the model plans the picture; without it, the model's own default.",
        ),
    ] = None
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
