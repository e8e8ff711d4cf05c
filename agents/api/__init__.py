"""The REST door of the senders."""
