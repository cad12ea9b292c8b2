"""Connections of clients: their bounds, their timeouts, and HTTP/1.1 on them (ADR 41)."""
