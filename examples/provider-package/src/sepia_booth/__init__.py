"""A provider in a package of its own: photos in two tones, as old prints have them."""

from photochanger.core.ports.provider import ProviderContext

from .provider import SepiaBooth


def make_provider(context: ProviderContext) -> SepiaBooth:
    """What the entry point names. A provider that asks a service keeps the context: its key, its address."""
    return SepiaBooth()
