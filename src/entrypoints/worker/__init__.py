"""Workers: the job pool, its process and its supervisor."""
