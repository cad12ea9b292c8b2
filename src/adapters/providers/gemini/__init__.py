"""The Gemini provider."""
