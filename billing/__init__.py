"""Turns quantities into money: plans, rating, invoices, ledger, collection."""
