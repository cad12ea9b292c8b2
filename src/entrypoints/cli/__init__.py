"""The `photochanger` command line: one module per command."""

INTERRUPTED = 130
"""The exit code of a command that Ctrl-C ended, as shells expect it."""
