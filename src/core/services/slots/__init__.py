"""Slots, their templates, health and checks."""
