"""Statistics: the StatsService port and its SQL."""
