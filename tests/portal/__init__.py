"""The customer portal, page by page."""
