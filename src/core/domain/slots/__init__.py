"""Slots: entity, checks before an event, health."""
