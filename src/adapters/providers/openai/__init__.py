"""The OpenAI provider."""
