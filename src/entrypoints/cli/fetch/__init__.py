"""`photochanger fetch`: the pictures of a service in folders of this machine."""
