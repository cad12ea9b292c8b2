"""The way out for webhooks."""

from .sender import HttpWebhookSender

__all__ = ["HttpWebhookSender"]
