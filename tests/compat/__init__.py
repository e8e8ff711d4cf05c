"""Tests of the compatible doors, with the real SDKs."""
