"""Removal of files that nothing refers to."""

from __future__ import annotations

import logging

from ...domain.errors import StorageUnavailable
from ...domain.media import MediaKey
from ...ports.media_store import MediaStore

_log = logging.getLogger("photochanger.media")


async def remove_unused(store: MediaStore, key: MediaKey) -> None:
    """Remove a file; left to the sweeper where the store is unavailable, so that this hides no other error."""
    try:
        await store.delete(key)
    except StorageUnavailable as error:
        _log.warning("file %s is left to the sweeper: %s", key, error.detail)
