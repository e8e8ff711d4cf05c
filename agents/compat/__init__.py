"""Doors for senders of other services under /api/v1/: their unmodified SDKs work here by changing the base URL."""
