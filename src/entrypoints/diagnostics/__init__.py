"""Checks and reports about a running service: readiness, status, doctor, ready-check."""
