"""The collection of photobooth-app: a photo that is in it already gets its picture.

These are the steps of its own `PATCH /api/filter/{id}`, the way to another filter for a photo. photobooth-app is
imported when it is needed: it imports plugins before it is complete.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from PIL import Image


def id_of(file: Path) -> UUID | None:
    """The photo whose processed file this is, among the newest of the gallery."""
    from photobooth.container import container

    newest = container.mediacollection_service.list_items(limit=10)
    return next((item.id for item in newest if item.processed == file), None)


class FilteredPhoto:
    """A photo of the collection whose filter is still to be applied."""

    def __init__(self, id: UUID, filter: str) -> None:
        self._id = id
        self._filter = filter

    def made(self) -> tuple[Image.Image, int] | None:
        """The photo after all its steps, and its revision before; None where it is gone or has another filter now."""
        from photobooth.container import container
        from photobooth.services.config.groups.actions import SingleImageProcessing
        from photobooth.services.mediaprocessing.processes import process_image_inner

        if (item := self._item()) is None:
            return None
        photo = container.mediacollection_service.cache.get_cached_repr(item=item, dimension="full", processed=False)
        steps = SingleImageProcessing(**item.pipeline_config)
        return process_image_inner(photo.filepath, steps, preview=False), item.revision

    def replace(self, image: Image.Image, *, revision: int) -> bool:
        """Show the image instead of the photo, on all screens; False where the photo was deleted or changed since."""
        from photobooth.container import container
        from photobooth.utils.media_encode import encode

        item = self._item()
        if item is None or item.revision != revision:
            return False
        encode([image], item.processed)
        item.pipeline_config = dict(item.pipeline_config)  # a change, so that the revision goes up
        container.mediacollection_service.update_item(item)
        return True

    def _item(self):
        from photobooth.container import container

        try:
            item = container.mediacollection_service.get_item(self._id)
        except FileNotFoundError:
            return None
        return item if item.pipeline_config.get("image_filter") == self._filter else None
