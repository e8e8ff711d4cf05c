"""Papers: what a customer holds of an invoice or a credit note, as a page and as a PDF that is the same for ever."""
