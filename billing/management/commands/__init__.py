"""Commands of billing, for operators and finance."""
