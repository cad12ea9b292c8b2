"""A database with several servers, of which one is the primary: which one it is, and connections to it."""
