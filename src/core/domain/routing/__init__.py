"""Routes: policy of calls, prompts, provider usage and limits."""
