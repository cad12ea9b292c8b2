"""What a call of OpenAI costs: its usage figures by modality, at the prices of the model."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field

from ....core.domain.costs.call_cost import CallCost
from ..catalogue import Catalogue
from ..costs import token_cost, token_count
from .settings import OpenAISettings

_PHOTO_AND_PROMPT_TOKENS = 1_000
"""Of a usual request, for estimates."""

_SQUARE_PIXELS = 1024 * 1024
_AUTO_SIZE = (1536, 1024)
_HIGHEST = "high"


class OpenAIPreset(Struct, frozen=True, forbid_unknown_fields=True):
    """What is known of a model: the output tokens of a picture of 1024 x 1024, by its quality.

    Only the older models' are published; they are the estimate for the newer ones.
    """

    picture_tokens: dict[str, int] = field(default_factory=lambda: {"low": 272, "medium": 1056, "high": 4160})


def cost_of_usage(usage: Any, *, models: Catalogue[OpenAIPreset], model: str) -> CallCost | None:
    """Return the cost by the `usage` of an answer; None without it, or where the model has no prices.

    Without details all tokens count as pictures', which is an estimate.
    """
    if not isinstance(usage, dict):
        return None
    tokens: dict[str, int] = {}
    exact = True
    for side in ("input", "output"):
        total, details = token_count(usage.get(f"{side}_tokens")), usage.get(f"{side}_tokens_details")
        known = isinstance(details, dict)
        pictures = token_count(details.get("image_tokens")) if isinstance(details, dict) else total
        exact = exact and pictures <= total and (known or not total)
        tokens |= {f"image {side}": pictures, f"text {side}": max(total - pictures, 0)}
    return token_cost(models, model, tokens, exact=exact)


def expected_cost(settings: OpenAISettings, *, models: Catalogue[OpenAIPreset]) -> CallCost | None:
    """Return the probable cost of a call; `auto`, and qualities that the data file does not name, count as high."""
    model = models.model(settings.model)
    if model is None:
        return None
    known = model.preset.picture_tokens
    square = known.get(settings.quality, known.get(_HIGHEST, 0))
    width, height = _AUTO_SIZE if settings.size == "auto" else (int(side) for side in settings.size.split("x"))
    drawn = square * width * height // _SQUARE_PIXELS
    tokens = {"image input": _PHOTO_AND_PROMPT_TOKENS, "image output": drawn}
    return token_cost(models, settings.model, tokens, exact=False)
