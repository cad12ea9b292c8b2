"""A campaign of faults against the real processes, drawn by a seed: `make chaos ARGS="--seed N --faults 1000"`."""
