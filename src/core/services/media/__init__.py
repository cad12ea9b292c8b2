"""Uploads, public links and disk space."""
