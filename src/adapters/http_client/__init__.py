"""Requests to other machines: the client, its messages, and the guard that keeps it off private addresses."""
