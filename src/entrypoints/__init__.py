"""The outside: HTTP, the command line, worker processes and embedding code, turned into calls of the core."""
