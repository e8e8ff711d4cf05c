"""Measures the service on real, durable servers, as ratios to what was measured in the same run."""
