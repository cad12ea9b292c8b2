"""Background maintenance: what expires is deleted."""
