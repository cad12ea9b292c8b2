"""The settings that administrators change at run time."""
