"""What a provider accepts, as a photo of a slot or a template must meet it."""

from __future__ import annotations

import msgspec

from ...domain.media import PictureNeeds
from ...domain.slots.slot import Route


def photo_needs(needs: PictureNeeds, route: Route) -> PictureNeeds:
    """The needs of an operation for a photo on this route."""
    return msgspec.structs.replace(needs, keep_transparency=route.keep_transparency)


def template_needs(needs: PictureNeeds) -> PictureNeeds:
    """The needs of an operation for a template: a frame without its transparency would hide the photo."""
    return msgspec.structs.replace(needs, keep_transparency=True)
