"""Whole ways through the product, on the running service."""
