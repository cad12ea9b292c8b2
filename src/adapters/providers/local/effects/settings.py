"""What can be set of each `local` operation; the JSON Schemas and all checks come from these structs."""

from __future__ import annotations

import enum
from typing import Annotated

from msgspec import Meta, Struct

FRAME_ROLE = "frame"
BACKGROUND_ROLE = "background"
"""Roles of template pictures."""

Percent = Annotated[int, Meta(ge=0, le=100)]
Colour = Annotated[str, Meta(pattern=r"^#[0-9A-Fa-f]{6}$", description="A colour as #RRGGBB.", examples=["#1A2B3C"])]


class OutputFormat(enum.StrEnum):
    JPEG = "jpeg"
    WEBP = "webp"
    PNG = "png"


class Look(enum.StrEnum):
    OIL = "oil"
    WATERCOLOR = "watercolor"
    SKETCH = "sketch"
    COMIC = "comic"
    POP = "pop"
    NOIR = "noir"
    VINTAGE = "vintage"
    CYBER = "cyber"


class FrameStyle(enum.StrEnum):
    PARTY = "party"
    GRADIENT = "gradient"
    POLAROID = "polaroid"
    CLASSIC = "classic"


class FrameFit(enum.StrEnum):
    COVER = "cover"
    STRETCH = "stretch"


class BackgroundMode(enum.StrEnum):
    STUDIO = "studio"
    BOKEH = "bokeh"
    COLOUR = "colour"
    REPLACE = "replace"
    VIGNETTE = "vignette"


class OutputSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of every operation about the finished file."""

    max_side: Annotated[
        int,
        Meta(ge=256, le=4096, title="Longest side", description="Longest side of the picture in pixels, at most."),
    ] = 2400
    output: Annotated[OutputFormat, Meta(title="File type", description="Type of the finished file.")] = (
        OutputFormat.JPEG
    )


class EnhanceSettings(OutputSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Natural correction: levels, white balance, local contrast, colour, sharpness."""

    strength: Annotated[Percent, Meta(title="Strength", description="How far the photo is corrected.")] = 70
    warmth: Annotated[int, Meta(ge=-100, le=100, title="Warmth", description="Cooler below zero, warmer above it.")] = 0
    sharpness: Annotated[Percent, Meta(title="Sharpness", description="How much fine detail is sharpened.")] = 50


class StylizeSettings(OutputSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The photo in a named look."""

    look: Annotated[Look, Meta(title="Look", description="The look of the finished picture.")] = Look.OIL
    strength: Annotated[
        Percent, Meta(title="Strength", description="100 is the look alone, 0 is the photo; between them both mix.")
    ] = 100


class FrameSettings(OutputSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A border with a caption, or a frame picture laid over the photo when the slot has a template `frame`."""

    style: Annotated[
        FrameStyle, Meta(title="Style", description="The border that is drawn when there is no frame picture.")
    ] = FrameStyle.PARTY
    caption: Annotated[str, Meta(max_length=80, title="Caption", description="A line of text, such as the event.")] = ""
    color: Annotated[Colour, Meta(title="Colour")] = "#5B2A86"
    accent: Annotated[Colour, Meta(title="Second colour")] = "#F2557A"
    border: Annotated[
        int, Meta(ge=2, le=15, title="Border width", description="In percent of the photo's shorter side.")
    ] = 6
    fit: Annotated[
        FrameFit,
        Meta(
            title="Fit of the frame picture",
            description="cover: the photo is cropped to the frame's shape; stretch: the frame takes the photo's shape.",
        ),
    ] = FrameFit.COVER


class BackgroundSettings(OutputSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Other surroundings for the people in the photo, who stay as they are."""

    mode: Annotated[
        BackgroundMode,
        Meta(
            title="Mode",
            description=(
                "studio: the surroundings are blurred and washed with the colour; bokeh: blurred only; colour: a "
                "backdrop in the colour; replace: the template `background`, or such a backdrop without one; vignette: "
                "darkened edges, which is also what a photo without people gets. All but vignette need the extra "
                "`people`; without it only an even backdrop can be replaced."
            ),
        ),
    ] = BackgroundMode.STUDIO
    color: Annotated[Colour, Meta(title="Colour")] = "#2E4A7D"
    strength: Annotated[Percent, Meta(title="Strength", description="How strong blur, wash or darkening are.")] = 60
    tolerance: Annotated[
        Percent,
        Meta(
            title="Tolerance",
            description="colour, replace: how far an even backdrop may differ from its main colour.",
        ),
    ] = 40
