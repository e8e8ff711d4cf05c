"""OpenTelemetry: spans of unmodified frameworks, and what they become."""
