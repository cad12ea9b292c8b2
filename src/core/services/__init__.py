"""What the core offers, over the ports it needs."""
