"""Image services behind the Provider port, one module each."""
