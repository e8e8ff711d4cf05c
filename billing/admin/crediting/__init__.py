"""The pages on which invoices are lowered, voided and written off: each asks why, and shows what it changes."""
