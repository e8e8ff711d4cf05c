"""The customer's window on spend, usage and invoices: pages for people, nothing is changed through them."""
