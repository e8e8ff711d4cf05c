"""Tests of the runtime, run without Django."""
