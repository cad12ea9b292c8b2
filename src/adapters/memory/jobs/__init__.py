"""Jobs in memory: the queue, the records, the processing log and the results."""
