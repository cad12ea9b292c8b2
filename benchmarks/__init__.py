"""What `make bench` runs: results relative to a simple baseline that is measured in the same run."""
