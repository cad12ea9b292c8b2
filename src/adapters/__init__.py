"""Implementations of the ports on real things: databases, disks, image libraries, services."""
