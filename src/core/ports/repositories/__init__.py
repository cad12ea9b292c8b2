"""Stored records: one port per kind."""
