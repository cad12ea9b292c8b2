"""The HTTP shell: requests in, answers and problems out; everything between is the core's."""
