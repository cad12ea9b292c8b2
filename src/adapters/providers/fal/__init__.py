"""The fal provider."""
