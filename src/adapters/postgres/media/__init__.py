"""Media objects, and the records of the files in the media store."""
