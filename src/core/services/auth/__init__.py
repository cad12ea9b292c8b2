"""Administrators, the ingest password, signing keys and login throttling."""
