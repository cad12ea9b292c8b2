"""Finished pictures: their files, and lists of them."""
