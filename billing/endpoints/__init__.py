"""Webhooks out: customers' endpoints are told of invoices, payments, budgets and devices, as Standard Webhooks says."""
