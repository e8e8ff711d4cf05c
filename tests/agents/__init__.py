"""Tests of those who act."""
