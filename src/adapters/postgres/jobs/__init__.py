"""Jobs in PostgreSQL: the queue, the records, the processing log and the results."""
