"""metering turns events into quantities."""
