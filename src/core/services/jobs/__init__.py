"""Jobs: submit, process, complete, answer."""
