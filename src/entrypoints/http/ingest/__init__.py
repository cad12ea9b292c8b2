"""The request of a camera: form, handler, recorder."""
