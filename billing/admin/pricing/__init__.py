"""The desk of pricing admins: draft, try out, rehearse, publish with a second person, and see who changed what."""
