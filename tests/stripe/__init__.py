"""Tests of the Stripe side of billing, against the sandbox and the unmodified SDK."""
