"""Trying a slot: test runs, recipes to start from, sample photos."""
