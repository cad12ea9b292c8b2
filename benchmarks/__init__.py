"""What `make bench` runs: figures that are ratios to something simple measured in the same run."""
