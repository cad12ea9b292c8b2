"""The TurboText provider."""
