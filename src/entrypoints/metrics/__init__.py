"""Metrics: collection and the relay between processes."""
