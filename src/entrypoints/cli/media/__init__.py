"""The media store: moving its files."""
