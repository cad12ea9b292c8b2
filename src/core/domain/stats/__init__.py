"""Statistics: how jobs are counted, and the time ranges they are counted in."""
