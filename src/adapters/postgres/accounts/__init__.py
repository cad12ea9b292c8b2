"""Administrators, login failures and signing keys."""
