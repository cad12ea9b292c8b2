"""The PostgreSQL server that runs in the data folder: its life and its processes."""
