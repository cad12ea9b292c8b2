"""A job's way along its route: which entry is called, when, with which inputs."""
