"""Statistics and their retention."""
