"""Tests of metering, each file one part of its specification."""
