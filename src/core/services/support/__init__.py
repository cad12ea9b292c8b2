"""What several services share: cached values, concurrency, disabled telemetry."""
