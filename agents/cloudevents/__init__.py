"""Reads CloudEvents 1.0 strictly: what it lets through can be counted once, and never by an invented id.

Rules are those of the CloudEvents specification 1.0.2, its JSON format and its HTTP binding; where the specification
leaves room, billing decides: an event without an id is refused, a time needs an offset, numbers keep every digit.
`decode` judges a request, `parse` each of its events; the table of rules is in README.md of this folder.
"""

from agents.cloudevents.documents import BATCH, MAX_EVENTS, SINGLE, attributes_of, decode, is_batch
from agents.cloudevents.events import MAX_EVENT_BYTES, parse

__all__ = ["BATCH", "MAX_EVENTS", "MAX_EVENT_BYTES", "SINGLE", "attributes_of", "decode", "is_batch", "parse"]
