"""The Black Forest Labs provider."""
