"""The HTTP questions about usage."""
