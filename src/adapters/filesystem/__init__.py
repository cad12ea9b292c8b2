"""The media store on a folder of this machine."""

from .store import FilesystemMediaStore

__all__ = ["FilesystemMediaStore"]
