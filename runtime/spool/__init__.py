"""The device's durable, bounded memory of what it used: a hash chain in SQLite until the service has it.

Appending needs the writer's lock and sending the sender's, so an agent and a sender may share a spool but two of a
kind may not. Sequence and head live in one row that every append updates in its own transaction: they survive a spool
that was drained to the last event.
"""

from runtime.spool.chain import DEFAULT_MAX_BYTES, RESERVED_BYTES, Batch, Spool, SpoolStatus
from runtime.spool.lock import Role

__all__ = ["DEFAULT_MAX_BYTES", "RESERVED_BYTES", "Batch", "Role", "Spool", "SpoolStatus"]
