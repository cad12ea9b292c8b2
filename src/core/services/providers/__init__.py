"""The registered providers: their keys, limits and status."""
