"""Booths: the devices that send photos, known by their ingest keys."""
