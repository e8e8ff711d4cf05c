"""Invoices and plans over HTTP."""
