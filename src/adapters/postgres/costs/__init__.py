"""What calls to image services cost, in PostgreSQL."""
