"""The ComfyUI provider."""
