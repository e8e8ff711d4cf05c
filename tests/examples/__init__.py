"""Worked invoices that finance can read, played end to end by the tests, and the README's table of prices."""
