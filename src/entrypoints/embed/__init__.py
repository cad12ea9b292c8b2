"""PhotoChanger inside another Python program."""
