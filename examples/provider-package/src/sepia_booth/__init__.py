"""A provider in a package: photos in two tones, like old prints."""

from photochanger.core.ports.provider import ProviderContext

from .provider import SepiaBooth


def make_provider(context: ProviderContext) -> SepiaBooth:
    """Factory named by the entry point. A provider that calls a service keeps the context for its key and address."""
    return SepiaBooth()
