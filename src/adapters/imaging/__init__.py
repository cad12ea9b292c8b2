"""Pictures: what they are, whether they decode, and how they become what a provider or a page needs."""

from .children import ChildPool, ForkServer
from .tools import ImageTools

__all__ = ["ChildPool", "ForkServer", "ImageTools"]
