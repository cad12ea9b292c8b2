"""`photochanger watch`: a hot folder for software that cannot send its photos itself."""
