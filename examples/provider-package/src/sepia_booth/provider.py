"""The provider: its declaration, and the image processing, which runs in a thread."""

from __future__ import annotations

import asyncio
import enum
import io
from collections.abc import Collection, Mapping
from typing import Annotated, Any

import msgspec
from photochanger.adapters.providers.schemas import settings_schema, unknown_operation
from photochanger.core.domain.costs.call_cost import FREE, CallCost
from photochanger.core.domain.errors import InvalidSettings
from photochanger.core.domain.media import PictureNeeds
from photochanger.core.domain.routing.provider_check import ProviderFinding
from photochanger.core.domain.slots.slot import RouteEntry
from photochanger.core.domain.validation import parse_fields
from photochanger.core.ports.provider import OperationInfo, ProviderInfo, ProviderRequest, ProviderResult, Rejected
from PIL import Image, ImageOps

_DUOTONE = "duotone"


class Print(enum.StrEnum):
    """The prints by name."""

    SEPIA = "sepia"
    CYANOTYPE = "cyanotype"
    SELENIUM = "selenium"


_TONES = {
    Print.SEPIA: ("#2b1608", "#a5713f", "#fff3da"),
    Print.CYANOTYPE: ("#06162e", "#2f6c9e", "#f2f8fc"),
    Print.SELENIUM: ("#1a1016", "#7d6a72", "#f7f1f0"),
}


class DuotoneSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of a slot; the JSON Schema and the validation are derived from this struct."""

    print: Annotated[Print, msgspec.Meta(title="Print", description="The tones of the finished picture.")] = Print.SEPIA
    strength: Annotated[
        int, msgspec.Meta(ge=0, le=100, title="Strength", description="100 is the print alone, 0 the photo.")
    ] = 100


_INFO = ProviderInfo(
    id="sepia-booth",
    title="Sepia booth",
    operations=(
        OperationInfo(
            id=_DUOTONE,
            title="Duotone",
            settings_schema=settings_schema(DuotoneSettings),
            needs=PictureNeeds(mimes=("image/jpeg", "image/png"), max_bytes=64 * 1024 * 1024, max_pixels=40_000_000),
        ),
    ),
    on_this_machine=True,
)


class SepiaBooth:
    """A provider without a remote service: no key, no connections, nothing to close."""

    @property
    def info(self) -> ProviderInfo:
        return _INFO

    def expected_cost(self, operation_id: str, settings: Mapping[str, Any]) -> CallCost | None:
        """Work on this machine is free. None would mean that nothing is known of the price."""
        return FREE

    def check_settings(self, operation_id: str, settings: Mapping[str, Any]) -> None:
        if operation_id != _DUOTONE:
            raise unknown_operation(_INFO.id, operation_id)
        parse_fields(DuotoneSettings, settings)

    async def process(self, request: ProviderRequest) -> ProviderResult:
        """The photo in two tones. Rejected if the settings are invalid or the photo cannot be decoded."""
        try:
            self.check_settings(request.operation_id, request.settings)
        except InvalidSettings as error:
            raise Rejected(error.detail) from error
        settings = parse_fields(DuotoneSettings, request.settings)
        data = await asyncio.to_thread(_duotone, request.photo.data, settings)
        return ProviderResult(data, {"print": str(settings.print)}, cost=FREE)

    async def diagnose(self, used: Collection[RouteEntry]) -> list[ProviderFinding]:
        return []  # no requirements to check

    async def close(self) -> None:
        """Nothing is held."""


def _duotone(data: bytes, settings: DuotoneSettings) -> bytes:
    try:
        with Image.open(io.BytesIO(data)) as opened:
            photo = opened.convert("RGB")
    except OSError as error:
        raise Rejected("The photo cannot be decoded.") from error
    dark, middle, light = _TONES[settings.print]
    printed = ImageOps.colorize(ImageOps.grayscale(photo), black=dark, white=light, mid=middle)
    out = io.BytesIO()
    Image.blend(photo, printed, settings.strength / 100).save(out, "JPEG", quality=92)
    return out.getvalue()
