"""Entities and the rules between them; no I/O."""
