"""The Replicate provider."""
