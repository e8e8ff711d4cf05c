"""Speaks to Stripe, which collects what our own invoices say is owed."""
