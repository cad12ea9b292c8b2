"""The settings of the BFL operation, and how each model of the data file is called."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

Extra = Literal["size", "aspect_ratio", "steps", "guidance"]
"""What only some models take; `size` is width and height."""

EXTRAS: tuple[Extra, ...] = ("size", "aspect_ratio", "steps", "guidance")
MAX_PICTURES = 8

_Side = Annotated[int, Meta(ge=64, le=2048, multiple_of=16)]


class Preset(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a model is called.

    Attributes:
        max_pictures: how many pictures it takes, the photo among them.
        accepts: which of the settings that only some models have.
        bills_input: each megapixel of the pictures in its input is billed.
    """

    max_pictures: Annotated[int, Meta(ge=1, le=MAX_PICTURES)]
    accepts: tuple[Extra, ...] = ()
    bills_input: bool = True


UNKNOWN_MODEL = Preset(max_pictures=MAX_PICTURES, accepts=EXTRAS)
"""A model that is not in the data file gets what the settings say; the service refuses what it does not take."""


class BflSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A photo changed by a FLUX model as a prompt says."""

    model: Annotated[
        str,
        Meta(
            max_length=128,
            # It becomes the path. (Python's $ also stands before a last line break.)
            pattern=r"^[a-z0-9]+([.-][a-z0-9]+)*(?!\n)$",
            title="Model",
            description="Name of a model of the BFL API. Names change often; any is accepted here.",
        ),
    ]
    prompt: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=10_000,
            title="Prompt",
            description=(
                "What is to become of the photo. The model sees the photo as image 1, then the slot's templates "
                "`face`, `reference` and `style`, those that there are, in this order."
            ),
        ),
    ]
    seed: Annotated[
        Annotated[int, Meta(ge=0, le=2**31 - 1)] | None,
        Meta(title="Seed", description="The same number gives a similar picture again; none: each is another."),
    ] = None
    width: Annotated[
        _Side | None,
        Meta(title="Width", description="In pixels, for FLUX.2 models; without it, by the photo. More costs more."),
    ] = None
    height: Annotated[
        _Side | None,
        Meta(title="Height", description="In pixels, for FLUX.2 models; without it, by the photo. More costs more."),
    ] = None
    aspect_ratio: Annotated[
        Literal["1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9"] | None,
        Meta(title="Aspect ratio", description="For Kontext models; without it, the shape of the photo."),
    ] = None
    steps: Annotated[
        Annotated[int, Meta(ge=1, le=50)] | None,
        Meta(title="Steps", description="For flux-2-flex: more take longer."),
    ] = None
    guidance: Annotated[
        Annotated[float, Meta(ge=1.5, le=10)] | None,
        Meta(title="Guidance", description="For flux-2-flex: how closely the prompt is followed."),
    ] = None
    safety_tolerance: Annotated[
        Annotated[int, Meta(ge=0, le=5)] | None,
        Meta(title="Safety tolerance", description="0 is the strictest; without it, the service's own default (2)."),
    ] = None
    output_format: Annotated[
        Literal["jpeg", "png"], Meta(title="File type", description="Type of the finished file.")
    ] = "jpeg"
