"""Providers in a package: photos in two tones, like old prints, made on this machine or by a remote service."""

from photochanger.core.ports.provider import ProviderContext

from .lab import SepiaLab
from .provider import SepiaBooth


def make_provider(context: ProviderContext) -> SepiaBooth:
    """Factory named by the entry point. A provider on this machine needs nothing of the context."""
    return SepiaBooth()


def make_lab(context: ProviderContext) -> SepiaLab:
    """Factory named by the entry point. A provider that calls a service keeps the context for its key and address."""
    return SepiaLab(context)
