"""Sign-in, session cookies and the permission guard."""
