"""The schema, step by step; run by `photochanger migrate` and at every start."""
