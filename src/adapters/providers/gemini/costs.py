"""What a call of Gemini costs: its usage figures by modality, at the prices of the model."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from ....core.domain.costs.call_cost import CallCost
from ....core.domain.outside_text import MAX_ITEMS
from ..catalogue import Catalogue
from ..costs import token_cost, token_count
from .settings import IMAGE_SIZES, GeminiPrompt

_PHOTO_AND_PROMPT_TOKENS = 1_300
"""Of a usual request, for estimates."""


class GeminiPreset(Struct, frozen=True, forbid_unknown_fields=True):
    """What is known of a model: the output tokens of a picture by its size (1K, 2K, 4K)."""

    picture_tokens: dict[str, int] = {}


def cost_of_usage(usage: Any, *, models: Catalogue[GeminiPreset], model: str) -> CallCost | None:
    """Return the cost by the `usageMetadata` of an answer; None without it, or where the model has no prices.

    Thoughts are billed as text. Details may leave out the text: it is the rest of the total. Without details
    everything that was drawn counts as picture, which is an estimate.
    """
    if not isinstance(usage, dict):
        return None
    prompt, answer = token_count(usage.get("promptTokenCount")), token_count(usage.get("candidatesTokenCount"))
    in_pictures = _image_tokens(usage.get("promptTokensDetails")) or 0
    drawn = _image_tokens(usage.get("candidatesTokensDetails"))
    out_pictures = answer if drawn is None else drawn
    tokens = {
        "image input": in_pictures,
        "text input": max(prompt - in_pictures, 0),
        "image output": out_pictures,
        "text output": max(answer - out_pictures, 0) + token_count(usage.get("thoughtsTokenCount")),
    }
    consistent = in_pictures <= prompt and out_pictures <= answer
    return token_cost(models, priced_name(model), tokens, exact=consistent and (drawn is not None or not answer))


def expected_cost(settings: GeminiPrompt, *, models: Catalogue[GeminiPreset]) -> CallCost | None:
    """Return the probable cost of a call; a size that the data file does not name counts as the next larger one."""
    model = models.model(priced_name(settings.model))
    sizes = IMAGE_SIZES[IMAGE_SIZES.index(settings.image_size or IMAGE_SIZES[0]) :]
    known = model.preset.picture_tokens if model else {}
    drawn = next((known[size] for size in sizes if size in known), max(known.values(), default=0))
    tokens = {"image input": _PHOTO_AND_PROMPT_TOKENS, "image output": drawn}
    return token_cost(models, priced_name(settings.model), tokens, exact=False) if drawn else None


def priced_name(model: str) -> str:
    """Return the name under which a model is in the data file."""
    return model.removeprefix("models/")


def _image_tokens(details: Any) -> int | None:
    """The tokens of pictures in `…TokensDetails`; None where there are no details."""
    if not isinstance(details, list) or not details:
        return None
    some = [each for each in details[:MAX_ITEMS] if isinstance(each, dict)]
    return sum(token_count(each.get("tokenCount")) for each in some if each.get("modality") == "IMAGE")
