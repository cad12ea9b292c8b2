"""A real service under limits, a well-behaved camera, and strangers who behave as badly as HTTP allows."""
