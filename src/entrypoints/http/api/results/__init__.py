"""Finished pictures of all slots: lists, visibility in galleries, archives."""
