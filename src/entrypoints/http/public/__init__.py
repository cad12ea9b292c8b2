"""Public results, media and galleries."""
