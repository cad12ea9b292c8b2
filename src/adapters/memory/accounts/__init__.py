"""Administrators, login failures, tokens, signing keys and ingest keys in memory."""
