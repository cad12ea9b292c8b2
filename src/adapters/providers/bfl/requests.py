"""The requests to the BFL API: work to be queued, its state, and the account's credits.

Facts are from BFL's API reference and its integration guide ("Endpoints", "Rate limiting").
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from ....core.domain.costs.call_cost import CallCost
from ....core.domain.media import Picture
from ....core.ports.provider import ProviderRequest
from ...http_client.json_body import JsonBody
from ...http_client.messages import HttpRequest
from ..catalogue import Catalogue
from .settings import EXTRAS, UNKNOWN_MODEL, BflSettings, Extra, Preset

SERVICE_URL = "https://api.bfl.ai"

DOMAINS = ("bfl.ai",)
"""Under these names the state of work is asked for, on a host of the region where it is done."""

MEGAPIXEL = 1024 * 1024
"""What is billed as one megapixel; a part of one counts as a whole one."""

_PICTURE = "picture"
_FIRST_MEGAPIXEL = "first megapixel"
_FURTHER_MEGAPIXEL = "further megapixel"
"""The names of prices in the data file."""


class Call(Struct, frozen=True, kw_only=True):
    """One call of a model.

    Attributes:
        pictures: those that the model takes, the photo first.
        ignored: settings and templates that it does not take.
        cost: what it probably costs; None where no price is known.
    """

    model: str
    settings: BflSettings
    extras: tuple[Extra, ...]
    pictures: tuple[Picture, ...]
    ignored: tuple[str, ...]
    cost: CallCost | None

    def fields(self) -> dict[str, Any]:
        """Return the JSON of the request; pictures are bytes, to be sent as base64 without a prefix."""
        settings = self.settings
        optional = {
            "seed": settings.seed,
            "safety_tolerance": settings.safety_tolerance,
            **{name: value for extra in self.extras for name, value in _given(settings, extra).items()},
        }
        names = ("input_image", *(f"input_image_{number}" for number in range(2, len(self.pictures) + 1)))
        return {
            "prompt": settings.prompt,
            "output_format": settings.output_format,
            **{name: value for name, value in optional.items() if value is not None},
            **{name: picture.data for name, picture in zip(names, self.pictures, strict=True)},
        }


def call_of(request: ProviderRequest, settings: BflSettings, models: Catalogue[Preset]) -> Call:
    """Return what a request asks for."""
    known = models.model(settings.model)
    preset = known.preset if known else UNKNOWN_MODEL
    offered = [("", request.photo), *sorted(request.templates.items())]
    taken = offered[: preset.max_pictures]
    unusable = [name for extra in EXTRAS if extra not in preset.accepts for name in _given(settings, extra)]
    pictures = tuple(picture for _, picture in taken)
    return Call(
        model=known.id if known else settings.model,
        settings=settings,
        extras=preset.accepts,
        pictures=pictures,
        ignored=(*unusable, *(role for role, _ in offered[len(taken) :])),
        cost=estimate(settings, models, [picture.width * picture.height for picture in pictures]),
    )


def estimate(settings: BflSettings, models: Catalogue[Preset], pixels: Sequence[int]) -> CallCost | None:
    """Return what a call probably costs with pictures of so many pixels; None where no price is known.

    Output and input are billed by the megapixel. Where no size is set the picture has about a megapixel.
    """
    if (picture := models.price(settings.model, _PICTURE)) is not None:
        return CallCost(usd_micros=picture)
    first = models.price(settings.model, _FIRST_MEGAPIXEL)
    if first is None:
        return None
    known = models.model(settings.model)
    further = models.price(settings.model, _FURTHER_MEGAPIXEL)
    output = _megapixels((settings.width or 1024) * (settings.height or 1024))
    billed = sum(map(_megapixels, pixels)) if known is None or known.preset.bills_input else 0
    return CallCost(usd_micros=first + (first if further is None else further) * (output - 1 + billed))


def submit(url: str, key: str, call: Call) -> HttpRequest:
    """Queue the work."""
    headers = {**_key(key), "Content-Type": "application/json"}
    return HttpRequest(method="POST", url=f"{url}/v1/{call.model}", headers=headers, body=JsonBody(call.fields()))


def look(polling_url: str, key: str) -> HttpRequest:
    """Ask for the state of work, at the address that its submission named."""
    return HttpRequest(method="GET", url=polling_url, headers=_key(key))


def credits_left(url: str, key: str) -> HttpRequest:
    """Ask for the account's credits."""
    return HttpRequest(method="GET", url=f"{url}/v1/credits", headers=_key(key))


def _key(key: str) -> dict[str, str]:
    return {"x-key": key}


def _given(settings: BflSettings, extra: Extra) -> dict[str, Any]:
    """The settings of one kind that are set."""
    names = ("width", "height") if extra == "size" else (extra,)
    return {name: value for name in names if (value := getattr(settings, name)) is not None}


def _megapixels(pixels: int) -> int:
    return -(-pixels // MEGAPIXEL)
