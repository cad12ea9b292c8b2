"""`photochanger send`: photos to a service over HTTP, pictures back."""
