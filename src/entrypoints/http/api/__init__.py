"""Handlers of the administration API, one module per resource."""
