"""What the core needs from the world and what it offers, as protocols. Their docstrings are the contract."""
