"""Measurements, each as a ratio to an anchor of the same run; `python -m tests.bench`."""
