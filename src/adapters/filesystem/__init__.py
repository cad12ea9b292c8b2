"""The media store on a folder of this machine."""

from .store import MEDIA_MARKS, FilesystemMediaStore

__all__ = ["MEDIA_MARKS", "FilesystemMediaStore"]
